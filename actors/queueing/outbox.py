"""The messages that one event loop sends: those that are sent while others are on their way go together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from dramatiq import Message

#: Enqueues messages in one go; tells of each the message as it was enqueued, or why it was not.
SendAll = Callable[[Sequence[Message[Any]]], Awaitable[Sequence[Message[Any] | Exception]]]

#: The most messages that go in one round trip, so that the first of many does not wait for the last.
MOST_TOGETHER = 100


class Outbox:
    """Sends one bundle at a time; belongs to one event loop."""

    def __init__(self, send_all: SendAll) -> None:
        self._send_all = send_all
        self._waiting: list[tuple[Message[Any], asyncio.Future[Message[Any]]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def send(self, message: Message[Any]) -> Message[Any]:
        """Returns the message as it was enqueued.

        Raises:
          Exception: What kept it from being sent, or the whole bundle.
        """
        sent: asyncio.Future[Message[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, sent))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_waiting())
        return await sent

    async def _send_waiting(self) -> None:
        while self._waiting:
            bundle, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            try:
                outcomes = await self._send_all([message for message, _ in bundle])
            except Exception as error:  # noqa: BLE001  # each sender gets it
                outcomes = [error] * len(bundle)
            for (_, sent), outcome in zip(bundle, outcomes, strict=True):
                if sent.done():
                    continue  # its sender was cancelled
                if isinstance(outcome, Exception):
                    sent.set_exception(outcome)
                else:
                    sent.set_result(outcome)
