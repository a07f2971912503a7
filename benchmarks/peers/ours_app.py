"""This project: `embed` through a gateway's client; the worker is `benchmarks.peers.ours_worker`."""

import os
from typing import Any

import dramatiq

from actors.client import AsyncClient, Client
from actors.queueing.results import result_backend
from benchmarks.peers.peer import RESULT_TIMEOUT_SECONDS

#: What the smallest task says. The worker's store has a model of this name and loads nothing of it.
TASK = {"model": "cluster-manager/tiny-text-kind", "texts": ["text"]}


class AsyncPeer:
    """An asyncio gateway."""

    is_async = True

    async def open(self) -> None:
        """Belongs to this loop."""
        self._client = AsyncClient()

    async def send(self) -> dramatiq.Message[Any]:
        """As documented."""
        return await self._client.send("embed", **TASK)

    async def fetch(self, sent: dramatiq.Message[Any]) -> int:
        """As documented."""
        result = await self._client.result(sent, timeout=RESULT_TIMEOUT_SECONDS)
        return int(result.output[0])

    async def finished(self) -> int:
        """Results are the only keys of their database."""
        return int(result_backend(dramatiq.get_broker()).client.dbsize())


class ThreadPeer(AsyncPeer):
    """A gateway with threads."""

    is_async = False

    async def open(self) -> None:
        """Connects when it is first used."""
        self._blocking = Client()

    async def send(self) -> dramatiq.Message[Any]:
        """As documented."""
        return self._blocking.send("embed", **TASK)

    async def fetch(self, sent: dramatiq.Message[Any]) -> int:
        """As documented."""
        return int(self._blocking.result(sent, timeout=RESULT_TIMEOUT_SECONDS).output[0])


def client() -> AsyncPeer:
    """What the driver measures with."""
    return ThreadPeer() if os.environ.get("BENCHMARK_CLIENT") == "threads" else AsyncPeer()
