"""Plain Dramatiq with its Redis broker and its Redis result backend."""

import os
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.peers.peer import REDIS_URL, RESULT_TIMEOUT_SECONDS, RESULTS_URL

backend = RedisBackend(url=RESULTS_URL)
broker = RedisBroker(url=REDIS_URL)
broker.add_middleware(Results(backend=backend, store_results=True, result_ttl=3_600_000))
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> int:
    """Nothing."""
    return os.getpid()


class DramatiqPeer:
    """Waits with `message.get_result`."""

    is_async = False

    async def open(self) -> None:
        """Connects when it is first used."""
        self._results = redis.Redis.from_url(RESULTS_URL)

    async def send(self) -> Any:
        """As documented."""
        return noop.send()

    async def fetch(self, sent: Any) -> int:
        """Blocks in Redis."""
        pid: int = sent.get_result(block=True, timeout=RESULT_TIMEOUT_SECONDS * 1000)
        return pid

    async def finished(self) -> int:
        """Results are the only keys of their database."""
        return int(self._results.dbsize())


def client() -> DramatiqPeer:
    """What the driver measures with."""
    return DramatiqPeer()
