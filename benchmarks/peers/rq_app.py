"""RQ with its default worker, which forks for each job, or its SimpleWorker."""

import os

import redis
from rq import Queue
from rq.job import Job

from benchmarks.peers.peer import REDIS_URL, RESULT_TIMEOUT_SECONDS


def noop() -> int:
    """Nothing; in the worker itself."""
    return os.getpid()


def forked_noop() -> int:
    """Nothing; in a child of the worker."""
    return os.getppid()


class RqPeer:
    """Waits with `job.latest_result`, which blocks in Redis."""

    is_async = False

    async def open(self) -> None:
        """Connects when it is first used."""
        self._redis = redis.Redis.from_url(REDIS_URL, socket_timeout=RESULT_TIMEOUT_SECONDS + 5)
        self._queue = Queue("noop", connection=self._redis)
        self._task = forked_noop if os.environ.get("BENCHMARK_CLIENT") == "forked" else noop

    async def send(self) -> Job:
        """As documented."""
        return self._queue.enqueue(self._task, result_ttl=3600)

    async def fetch(self, sent: Job) -> int:
        """As documented."""
        result = sent.latest_result(timeout=RESULT_TIMEOUT_SECONDS)
        assert result is not None, f"{sent.id} has no result"
        pid: int = result.return_value
        return pid

    async def finished(self) -> int:
        """The length of the registry of finished jobs."""
        return int(self._redis.zcard(self._queue.finished_job_registry.key))


def client() -> RqPeer:
    """What the driver measures with."""
    return RqPeer()
