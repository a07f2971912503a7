"""Celery with Redis as broker and result backend."""

import os
from typing import Any

import redis
from celery import Celery

from benchmarks.peers.peer import REDIS_URL, RESULT_TIMEOUT_SECONDS, RESULTS_URL

app = Celery("noop", broker=REDIS_URL, backend=RESULTS_URL)
app.conf.update(
    worker_prefetch_multiplier=64,  # its guide's value for many short tasks
    result_expires=3600,
    broker_connection_retry_on_startup=True,
)


@app.task
def noop() -> int:
    """Nothing."""
    return os.getpid()


class CeleryPeer:
    """Waits with `AsyncResult.get`, which listens on the result's channel."""

    is_async = False

    async def open(self) -> None:
        """Connects when it is first used."""
        self._results = redis.Redis.from_url(RESULTS_URL)

    async def send(self) -> Any:
        """As documented."""
        return noop.delay()

    async def fetch(self, sent: Any) -> int:
        """As documented."""
        pid: int = sent.get(timeout=RESULT_TIMEOUT_SECONDS)
        return pid

    async def finished(self) -> int:
        """Results are the only keys of their database."""
        return int(self._results.dbsize())


def client() -> CeleryPeer:
    """What the driver measures with."""
    return CeleryPeer()
