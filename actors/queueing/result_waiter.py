"""Any number of waits for results on two connections: workers announce a result on the channel of its sender.

An announcement is of one result or several that were stored together: of each a line with its key, and one with the
result itself, which is empty when that is large. It may be lost.
"""

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import redis.asyncio

from actors.queueing.pulse import Pulse, SubscriptionLost
from settings import keys

#: The most tasks whose announcements are kept for a wait that has not begun; the results of others are looked for.
MOST_EXPECTED = 2_000

#: How often results are looked for that nobody announced: of plain Dramatiq senders, or while Redis restarted.
SWEEP_SECONDS = 1.0


class ResultWaiter:
    """Waits in asyncio; belongs to one event loop. Cost grows with the results that come, not with the waits."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.reply_to = keys.reply_channel(uuid4().hex)
        self._client = client
        self._waits: defaultdict[str, set[asyncio.Future[bytes]]] = defaultdict(set)
        self._listener: asyncio.Task[None] | None = None
        self._is_listening = asyncio.Event()
        self._is_closed = False
        self._expected: OrderedDict[str, bytes | None] = OrderedDict()
        """What was sent and not waited for yet, with its result once that is announced."""
        self._swept_at = 0.0
        self._new: list[str] = []
        self._looking = asyncio.Lock()

    async def expect(self, key: str) -> None:
        """Listens for a result whose task is about to be sent, so that it need not be looked for.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        await self._ensure_listening()
        self._expected[key] = None
        if len(self._expected) > MOST_EXPECTED:
            self._expected.popitem(last=False)

    async def wait(self, key: str, seconds: float) -> bytes | None:
        """The stored result, None when there is none after `seconds`.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        is_expected = key in self._expected
        if stored := self._expected.pop(key, None):
            return stored
        wait: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waits[key].add(wait)
        try:
            await self._ensure_listening()
            if not is_expected:
                await self._look_for_new(key)
            async with asyncio.timeout(max(0.0, seconds)):
                return await wait
        except TimeoutError:
            last_look: Any = await self._client.lindex(key, 0)
            return last_look if last_look is None else bytes(last_look)
        finally:
            self._forget(key, wait)

    async def close(self) -> None:
        """Stops listening; waits that are left are cancelled."""
        self._is_closed = True
        if self._listener:
            # redis-py may swallow a cancellation that meets its own timeout; the flag ends the loop all the same.
            self._listener.cancel()
            await asyncio.wait({self._listener})
        for wait in [wait for waits in self._waits.values() for wait in waits]:
            wait.cancel()

    def _forget(self, key: str, wait: asyncio.Future[bytes]) -> None:
        self._waits[key].discard(wait)
        if not self._waits[key]:
            del self._waits[key]

    async def _ensure_listening(self) -> None:
        if self._listener is None or self._listener.done():
            self._is_listening.clear()
            self._expected.clear()
            self._listener = asyncio.create_task(self._listen())
        if not self._is_listening.is_set():
            started = asyncio.create_task(self._is_listening.wait())
            await asyncio.wait({started, self._listener}, return_when=asyncio.FIRST_COMPLETED)
            started.cancel()

    async def _listen(self) -> None:
        """Looks for what is announced, and now and then for everything; an error ends all waits."""
        try:
            while not self._is_closed:
                with suppress(SubscriptionLost):  # what it missed is found by looking
                    await self._listen_until_it_breaks()
        except Exception as error:  # noqa: BLE001  # whoever waits gets it
            for wait in [wait for waits in self._waits.values() for wait in waits if not wait.done()]:
                wait.set_exception(error)

    async def _listen_until_it_breaks(self) -> None:
        async with self._client.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(self.reply_to)
            pulse = Pulse()
            self._is_listening.set()
            while not self._is_closed:
                await self._look_for(await self._hear(channel, pulse))
                if time.monotonic() - self._swept_at > SWEEP_SECONDS:
                    self._swept_at = time.monotonic()
                    await self._look_for(tuple(self._waits))
                if pulse.is_to_be_asked():
                    await channel.ping()

    async def _hear(self, channel: Any, pulse: Pulse) -> list[str]:
        """Ends the waits for what has been announced by now; returns the keys of results that have to be fetched."""
        to_fetch, patience = [], SWEEP_SECONDS
        while message := await channel.get_message(timeout=patience):
            pulse.heard()
            patience = 0.0
            lines = iter(message["data"].split(b"\n"))
            for line in lines:
                key, stored = line.decode(errors="replace"), next(lines, b"")  # anybody may publish anything
                if stored:
                    self._deliver(key, stored)
                elif key:  # which the answer to a ping has not
                    to_fetch.append(key)
                    self._expected.pop(key, None)  # a wait that begins later has to look for it
        return to_fetch

    def _deliver(self, key: str, stored: bytes) -> None:
        """Ends the waits for a result, or keeps it for one that has not begun."""
        for wait in self._waits.get(key, ()):
            if not wait.done():
                wait.set_result(stored)
        if key in self._expected:
            self._expected[key] = stored

    async def _look_for_new(self, key: str) -> None:
        """Looks once for a result that may be there already; waits that begin together look together."""
        self._new.append(key)
        async with self._looking:
            new, self._new = self._new, []
            await self._look_for(new)

    async def _look_for(self, candidates: Iterable[str]) -> None:
        wanted = [key for key in candidates if key in self._waits]
        if not wanted:
            return
        async with self._client.pipeline(transaction=False) as pipe:
            for key in wanted:
                pipe.lindex(key, 0)
            stored = await pipe.execute()
        for key, body in zip(wanted, stored, strict=True):
            if body is not None:
                self._deliver(key, body)
