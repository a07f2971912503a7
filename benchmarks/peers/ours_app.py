"""This project: its broker with every middleware, a no-op in the lane of a model, and its asyncio client."""

import os
from typing import Any

import dramatiq
import orjson

from actors import broker
from actors.client import AsyncClient, Client
from actors.queueing.results import result_backend
from settings import keys


@dramatiq.actor(broker=broker, queue_name=keys.INFERENCE_QUEUE)
def noop(model: str) -> int:
    """Nothing."""
    return os.getpid()


class _Noop:
    """Makes a client send the no-op in place of a task; what is measured is the client's own way otherwise."""

    def message(self, actor: str, /, **fields: Any) -> dramatiq.Message[Any]:
        """As `Client.message`, which knows only this project's tasks."""
        return noop.message(model="benchmarks/no-op")

    def _read(self, stored: bytes) -> Any:
        value = orjson.loads(stored)
        return value["result"] if isinstance(value, dict) else value


class _NoopAsyncClient(_Noop, AsyncClient):
    pass


class _NoopClient(_Noop, Client):
    pass


class AsyncPeer:
    """As an asyncio gateway."""

    is_async = True

    async def open(self) -> None:
        """Belongs to the loop."""
        self._client = _NoopAsyncClient()

    async def send(self) -> dramatiq.Message[Any]:
        """`AsyncClient.send`."""
        return await self._client.send("noop")

    async def fetch(self, sent: dramatiq.Message[Any]) -> int:
        """`AsyncClient.result`."""
        pid: Any = await self._client.result(sent, timeout=60)
        return int(pid)

    async def finished(self) -> int:
        """Results are the only keys of their database."""
        return int(result_backend(broker).client.dbsize())


class ThreadPeer(AsyncPeer):
    """As a gateway with threads."""

    is_async = False

    async def open(self) -> None:
        """Connects when it is first used."""
        self._blocking = _NoopClient()

    async def send(self) -> dramatiq.Message[Any]:
        """`Client.send`."""
        return self._blocking.send("noop")

    async def fetch(self, sent: dramatiq.Message[Any]) -> int:
        """`Client.result`."""
        pid: Any = self._blocking.result(sent, timeout=60)
        return int(pid)


def client() -> AsyncPeer:
    """What the driver measures with."""
    return ThreadPeer() if os.environ.get("BENCHMARK_CLIENT") == "threads" else AsyncPeer()
