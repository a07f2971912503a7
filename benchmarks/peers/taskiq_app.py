"""taskiq over Redis: the stream broker of its documentation, or the list broker, which does not acknowledge."""

import os
from typing import Any

import redis.asyncio
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.peers.peer import REDIS_URL, RESULT_TIMEOUT_SECONDS, RESULTS_URL

_IS_TUNED = os.environ.get("BENCHMARK_CLIENT") == "tuned"
_Broker = ListQueueBroker if _IS_TUNED else RedisStreamBroker

#: taskiq's default is 0.2.
CHECK_INTERVAL_SECONDS = 0.01 if _IS_TUNED else 0.2

broker = _Broker(url=REDIS_URL).with_result_backend(RedisAsyncResultBackend(redis_url=RESULTS_URL, result_ex_time=3600))


@broker.task
async def noop() -> int:
    """Nothing."""
    return os.getpid()


class TaskiqPeer:
    """Waits with `task.wait_result`, which polls."""

    is_async = True

    async def open(self) -> None:
        """Connects in this loop."""
        await broker.startup()
        self._results = redis.asyncio.Redis.from_url(RESULTS_URL)

    async def send(self) -> Any:
        """As documented."""
        return await noop.kiq()

    async def fetch(self, sent: Any) -> int:
        """As documented."""
        result = await sent.wait_result(check_interval=CHECK_INTERVAL_SECONDS, timeout=RESULT_TIMEOUT_SECONDS)
        pid: int = result.return_value
        return pid

    async def finished(self) -> int:
        """Results are the only keys of their database."""
        return int(await self._results.dbsize())


def client() -> TaskiqPeer:
    """What the driver measures with."""
    return TaskiqPeer()
