"""arq with the poll delays of its defaults, or short ones."""

import os
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from arq.constants import default_queue_name
from arq.jobs import Job

from benchmarks.peers.peer import REDIS_URL, RESULT_TIMEOUT_SECONDS

#: Of the worker and of `job.result`; arq's default is 0.5 for both.
POLL_DELAY_SECONDS = 0.01 if os.environ.get("BENCHMARK_CLIENT") == "tuned" else 0.5

#: arq's worker writes two lines for each job otherwise.
QUIET = {"version": 1, "disable_existing_loggers": False}


async def noop(context: dict[str, Any]) -> int:
    """Nothing."""
    return os.getpid()


class WorkerSettings:
    """What `arq` starts its worker with."""

    functions = [noop]
    redis_settings = RedisSettings.from_dsn(REDIS_URL)
    poll_delay = POLL_DELAY_SECONDS
    keep_result = 3600


class ArqPeer:
    """Waits with `job.result`, which polls."""

    is_async = True

    async def open(self) -> None:
        """Connects in this loop."""
        self._pool, self._sent = await create_pool(RedisSettings.from_dsn(REDIS_URL)), 0

    async def send(self) -> Job:
        """As documented."""
        job = await self._pool.enqueue_job("noop")
        assert job is not None
        self._sent += 1
        return job

    async def fetch(self, sent: Job) -> int:
        """As documented."""
        pid: int = await sent.result(timeout=RESULT_TIMEOUT_SECONDS, poll_delay=POLL_DELAY_SECONDS)
        return pid

    async def finished(self) -> int:
        """A job leaves the queue in the transaction that stores its result."""
        return self._sent - int(await self._pool.zcard(default_queue_name))


def client() -> ArqPeer:
    """What the driver measures with."""
    return ArqPeer()
