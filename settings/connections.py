"""Every Redis client of the project, with timeouts, pool and retries that are right for its use.

redis-py 8 times out blocking reads after 5 s, caps a pool at 100 connections, and retries ten times or never depending
on how a client was built; each would break one of the uses below, so none of the defaults is left to chance.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.connection import parse_url as parse_url_async
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from settings.config import Settings
from settings.local_redis import find_redis_url
from settings.redis_address import redis_address


@dataclass(frozen=True)
class Use:
    """What a client is for: its name in CLIENT LIST and how long it waits for an answer, in seconds."""

    client_name: str
    socket_timeout: float | None
    connect_timeout: float = 2.0


#: The longest that a thread or an event loop waits for the answer to short commands.
QUEUE_ANSWER_SECONDS = 5.0

#: Enqueue, fetch, ack: short commands. A lost answer is told to the caller, who knows whether it may ask again.
QUEUE = Use("cluster-queue", socket_timeout=QUEUE_ANSWER_SECONDS)

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


@dataclass(frozen=True)
class _Address:
    """Where a database is. A private server may be found elsewhere tomorrow, so it is asked again and again."""

    variable: str
    locate: Callable[[], str]
    database_offset: int = 0


@contextmanager
def _login_errors(address: _Address, url: str) -> Iterator[None]:
    """Tells which variable has the wrong login: what Redis says of it names none."""
    try:
        yield
    except redis.AuthenticationError as error:
        raise redis.AuthenticationError(
            f"the login in {address.variable} for {redis_address(url)} is wrong or missing, or the server asks for "
            "none; write it as redis://USER:PASSWORD@HOST:PORT/0, redis://:PASSWORD@HOST:PORT/0, or redis://HOST:PORT/0"
        ) from error


class _MovingPool(redis.ConnectionPool):
    """A pool that leaves its connections behind when the server is found at another address."""

    def __init__(self, address: _Address, **options: Any) -> None:
        self._address, self._url = address, address.locate()
        super().__init__(**options)

    def get_connection(self, *arguments: Any, **options: Any) -> Any:
        if (url := self._address.locate()) != self._url:
            self._url = url
            self.reset()
        with _login_errors(self._address, url):
            return super().get_connection(*arguments, **options)

    def make_connection(self) -> Any:
        options: dict[str, Any] = dict(parse_url(self._url))
        options["db"] = options.get("db", 0) + self._address.database_offset
        self.connection_class = options.pop("connection_class", redis.Connection)
        self.connection_kwargs.update(options)
        return super().make_connection()


class _MovingAsyncPool(redis.asyncio.ConnectionPool):
    """The asyncio twin of `_MovingPool`."""

    def __init__(self, address: _Address, **options: Any) -> None:
        self._address, self._url = address, address.locate()
        super().__init__(**options)

    async def get_connection(self, *arguments: Any, **options: Any) -> Any:
        if (url := self._address.locate()) != self._url:
            self._url = url
            self.reset()
        with _login_errors(self._address, url):
            return await super().get_connection(*arguments, **options)

    def make_connection(self) -> Any:
        options: dict[str, Any] = dict(parse_url_async(self._url))
        options["db"] = options.get("db", 0) + self._address.database_offset
        self.connection_class = options.pop("connection_class", redis.asyncio.Connection)
        self.connection_kwargs.update(options)
        return super().make_connection()


def _options(use: Use) -> dict[str, Any]:
    return {
        "client_name": use.client_name,
        "socket_timeout": use.socket_timeout,
        "socket_connect_timeout": use.connect_timeout,
        "socket_keepalive": True,
        # With version 3 redis-py writes out each message of a subscription for a debug line that nobody reads.
        "protocol": 2,
        "max_connections": UNLIMITED_CONNECTIONS,
    }


def _queue_address(settings: Settings) -> _Address:
    return _Address("REDIS_URL", lambda: find_redis_url(settings))


def _result_address(settings: Settings) -> _Address:
    """RESULT_BACKEND_URL, or the database after the queue's."""
    if url := settings.result_backend_url:
        return _Address("RESULT_BACKEND_URL", lambda: url)
    return _Address("REDIS_URL", lambda: find_redis_url(settings), database_offset=1)


def queue_client(settings: Settings, use: Use = QUEUE) -> redis.Redis:
    """A client of the database with the queues and the cluster's records."""
    return redis.Redis.from_pool(_MovingPool(_queue_address(settings), retry=NO_RETRY, **_options(use)))


def result_client(settings: Settings, use: Use = RESULTS) -> redis.Redis:
    """A client of the database with results and streams."""
    return redis.Redis.from_pool(_MovingPool(_result_address(settings), retry=NO_RETRY, **_options(use)))


def async_queue_client(settings: Settings) -> redis.asyncio.Redis:
    """The asyncio twin of `queue_client`; use one per event loop, and give each exchange a time of its own.

    redis-py starts a task for each command that is to be written within a time.
    """
    return _async_client(_queue_address(settings), replace(QUEUE, socket_timeout=None))


def async_result_client(settings: Settings, use: Use = RESULTS) -> redis.asyncio.Redis:
    """The asyncio twin of `result_client`; use one per event loop."""
    return _async_client(_result_address(settings), use)


def _async_client(address: _Address, use: Use) -> redis.asyncio.Redis:
    retry = AsyncRetry(NoBackoff(), 0)
    return redis.asyncio.Redis.from_pool(_MovingAsyncPool(address, retry=retry, **_options(use)))
