"""The messages that one event loop sends: those that are sent while others are on their way go together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from dramatiq import Message

from actors.errors import RedisUnreachable

#: Enqueues messages in one go; tells of each the message as it was enqueued, or why it was not.
SendAll = Callable[[Sequence[Message[Any]]], Awaitable[Sequence[Message[Any] | Exception]]]

#: The most messages, and bytes of requests, that go in one round trip: the first must not wait for the last, and a slow
#: link has to carry them in the time that one answer is waited for.
MOST_TOGETHER, MOST_BYTES = 100, 2**20


class _Waiting(NamedTuple):
    message: Message[Any]
    size_bytes: int
    sent: "asyncio.Future[Message[Any]]"


class Outbox:
    """Sends one bundle at a time; belongs to one event loop."""

    def __init__(self, send_all: SendAll) -> None:
        self._send_all = send_all
        self._waiting: list[_Waiting] = []
        self._sender: asyncio.Task[None] | None = None

    async def send(self, message: Message[Any], size_bytes: int) -> Message[Any]:
        """Returns the message as it was enqueued.

        Raises:
          Exception: What kept it from being sent, or the whole bundle.
        """
        sent: asyncio.Future[Message[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(message, size_bytes, sent))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_waiting())
        return await sent

    async def close(self) -> None:
        """Waits until everything has been sent, or could not be."""
        if self._sender:
            await asyncio.wait({self._sender})

    async def _send_waiting(self) -> None:
        while bundle := self._next_bundle():
            try:
                outcomes = await self._send_all([each.message for each in bundle])
            except Exception as error:  # noqa: BLE001  # each sender gets it
                if isinstance(error, RedisUnreachable):  # so would each further bundle, one after another
                    bundle, self._waiting = bundle + self._waiting, []
                outcomes = [error] * len(bundle)
            for each, outcome in zip(bundle, outcomes, strict=True):
                _tell(each.sent, outcome)

    def _next_bundle(self) -> list[_Waiting]:
        """The oldest that go together, without those whose senders were cancelled."""
        waiting = [each for each in self._waiting if not each.sent.done()]
        bundle, size_bytes = waiting[:1], sum(each.size_bytes for each in waiting[:1])
        for each in waiting[1:MOST_TOGETHER]:
            size_bytes += each.size_bytes
            if size_bytes > MOST_BYTES:
                break
            bundle.append(each)
        self._waiting = waiting[len(bundle) :]
        return bundle


def _tell(sent: "asyncio.Future[Message[Any]]", outcome: Message[Any] | Exception) -> None:
    if sent.done():
        return  # its sender was cancelled meanwhile
    if isinstance(outcome, Exception):
        sent.set_exception(outcome)
    else:
        sent.set_result(outcome)
