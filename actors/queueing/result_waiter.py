"""Any number of waits for results on two connections: workers announce a result on the channel of its sender."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import redis.asyncio

from settings import keys

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
        self._new: list[str] = []
        self._looking = asyncio.Lock()

    async def wait(self, key: str, seconds: float) -> bytes | None:
        """The stored result, None when there is none after `seconds`.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        wait = asyncio.get_running_loop().create_future()
        self._waits[key].add(wait)
        try:
            await self._ensure_listening()
            await self._look_for_new(key)
            return await asyncio.wait_for(wait, max(0.0, seconds))
        except TimeoutError:
            return None
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
            self._listener = asyncio.create_task(self._listen())
        started = asyncio.create_task(self._is_listening.wait())
        await asyncio.wait({started, self._listener}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()

    async def _listen(self) -> None:
        """Looks for what is announced, and now and then for everything; an error ends all waits."""
        try:
            async with self._client.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(self.reply_to)
                self._is_listening.set()
                while not self._is_closed:
                    await self._look_for(await self._announced(channel) or tuple(self._waits))
        except (redis.RedisError, OSError) as error:
            for wait in [wait for waits in self._waits.values() for wait in waits if not wait.done()]:
                wait.set_exception(error)

    async def _announced(self, channel: Any) -> list[str]:
        """The keys of the results that are there, as many as have been announced by now."""
        announced, patience = [], SWEEP_SECONDS
        while message := await channel.get_message(timeout=patience):
            announced.append(message["data"].decode())
            patience = 0.0
        return announced

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
            for wait in [wait for wait in self._waits.get(key, ()) if body is not None and not wait.done()]:
                wait.set_result(body)
