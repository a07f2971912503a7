"""Every Redis client of the project, with timeouts, pool and retries that are right for its use.

redis-py 8 times out blocking reads after 5 s, caps a pool at 100 connections, and retries ten times or never depending
on how a client was built; each would break one of the uses below, so none of the defaults is left to chance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import redis
import redis.asyncio
from redis.asyncio.connection import parse_url as parse_url_async
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from settings.config import Settings
from settings.local_redis import find_redis_url


@dataclass(frozen=True)
class Use:
    """What a client is for: its name in CLIENT LIST and how long it waits for an answer, in seconds."""

    client_name: str
    socket_timeout: float
    connect_timeout: float = 2.0


#: Enqueue, fetch, ack: short commands. A lost answer is told to the caller, who knows whether it may ask again.
QUEUE = Use("cluster-queue", socket_timeout=5.0)

#: Results and streams: blocking reads of at most `RESULTS_BLOCK_SECONDS` each.
RESULTS = Use("cluster-results", socket_timeout=10.0)

#: The longest that one blocking read waits in Redis; a longer wait is several of them.
RESULTS_BLOCK_SECONDS = 4.0

#: A worker's beat: better skipped than late.
HEARTBEAT = Use("cluster-heartbeat", socket_timeout=2.0, connect_timeout=1.0)

#: The monitor: must notice within two seconds that Redis is gone.
MONITOR = Use("cluster-monitor", socket_timeout=1.5, connect_timeout=1.5)

#: No retries under the hood: a resent enqueue runs a task twice, and a hidden wait hides that Redis is down.
NO_RETRY = Retry(NoBackoff(), 0)

#: One connection per waiting thread or coroutine, and as many as there are.
UNLIMITED_CONNECTIONS = 2**31


class _LocatedPool(redis.ConnectionPool):
    """A pool that asks for the server's address at each new connection, so that a restarted private server is found."""

    def __init__(self, locate: Callable[[], str], database_offset: int, **options: Any) -> None:
        self._locate, self._database_offset = locate, database_offset
        super().__init__(**options)

    def make_connection(self) -> Any:
        address = dict(parse_url(self._locate()))
        self.connection_class = address.pop("connection_class", redis.Connection)
        address["db"] = address.get("db", 0) + self._database_offset
        self.connection_kwargs.update(address)
        return super().make_connection()


class _LocatedAsyncPool(redis.asyncio.ConnectionPool):
    """The asyncio twin of `_LocatedPool`."""

    def __init__(self, locate: Callable[[], str], database_offset: int, **options: Any) -> None:
        self._locate, self._database_offset = locate, database_offset
        super().__init__(**options)

    def make_connection(self) -> Any:
        address = dict(parse_url_async(self._locate()))
        self.connection_class = address.pop("connection_class", redis.asyncio.Connection)
        address["db"] = address.get("db", 0) + self._database_offset
        self.connection_kwargs.update(address)
        return super().make_connection()


def _options(use: Use) -> dict[str, Any]:
    return {
        "client_name": use.client_name,
        "socket_timeout": use.socket_timeout,
        "socket_connect_timeout": use.connect_timeout,
        "socket_keepalive": True,
        "max_connections": UNLIMITED_CONNECTIONS,
    }


def _queue_address(settings: Settings) -> tuple[Callable[[], str], int]:
    return lambda: find_redis_url(settings), 0


def _result_address(settings: Settings) -> tuple[Callable[[], str], int]:
    """RESULT_BACKEND_URL, or the database after the queue's."""
    if url := settings.result_backend_url:
        return lambda: url, 0
    return lambda: find_redis_url(settings), 1


def queue_client(settings: Settings, use: Use = QUEUE) -> redis.Redis:
    """A client of the database with the queues and the cluster's records."""
    locate, offset = _queue_address(settings)
    return redis.Redis(connection_pool=_LocatedPool(locate, offset, retry=NO_RETRY, **_options(use)))


def result_client(settings: Settings, use: Use = RESULTS) -> redis.Redis:
    """A client of the database with results and streams."""
    locate, offset = _result_address(settings)
    return redis.Redis(connection_pool=_LocatedPool(locate, offset, retry=NO_RETRY, **_options(use)))


def async_result_client(settings: Settings, use: Use = RESULTS) -> redis.asyncio.Redis:
    """The asyncio twin of `result_client`; use one per event loop."""
    locate, offset = _result_address(settings)
    pool = _LocatedAsyncPool(locate, offset, retry=AsyncRetry(NoBackoff(), 0), **_options(use))
    return cast("redis.asyncio.Redis", redis.asyncio.Redis(connection_pool=pool))
