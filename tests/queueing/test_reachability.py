"""What a caller is told when Redis takes nothing, in the caller's own terms."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from actors.broker import create_broker
from actors.client import AsyncClient, Client
from actors.errors import RedisUnreachable
from actors.queueing.reachability import redis_reached
from settings.config import Settings
from tests.servers import RedisServer

CLASSIFY = {"model": "org/a", "texts": ["a text"]}


@pytest.fixture
def settings(own_redis: RedisServer, tmp_path: Path) -> Settings:
    """A configuration with a Redis that this test may spoil."""
    return Settings(_env_file=None, redis_url=own_redis.url, state_dir=tmp_path / "state")


@pytest.fixture
def server(own_redis: RedisServer) -> Iterator[redis.Redis]:
    """What an operator sees; it was connected before anything was spoilt."""
    with redis.Redis.from_url(own_redis.url) as client:
        client.ping()
        yield client


def fill(server: redis.Redis) -> None:
    server.config_set("maxmemory", 1)


def make_replica(server: redis.Redis) -> None:
    server.config_set("replica-serve-stale-data", "yes")
    server.replicaof("127.0.0.1", 1)


def ask_password(server: redis.Redis) -> None:
    server.config_set("requirepass", "s3cret")


SPOILT = pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (fill, "Redis is full: .*maxmemory"),
        (make_replica, "Redis is read-only: .*REDIS_URL"),
        (ask_password, r"login in REDIS_URL for 127\.0\.0\.1:\d+(/1)? is wrong or missing"),
    ],
)


@SPOILT
def test_a_redis_that_takes_nothing_is_told_as_unreachable(
    settings: Settings, server: redis.Redis, spoil: Callable[[redis.Redis], None], told: str
) -> None:
    client = Client(settings, create_broker(settings))
    message = client.message("classify", **CLASSIFY)
    spoil(server)

    for step in (
        lambda: client.send("classify", **CLASSIFY),
        lambda: client.send("classify", idempotency_key="once", **CLASSIFY),
        lambda: client.put("a large text"),
        lambda: client.cancel(message),
    ):
        with pytest.raises(RedisUnreachable, match=told):
            step()


@SPOILT
async def test_so_it_is_in_asyncio(
    settings: Settings, server: redis.Redis, spoil: Callable[[redis.Redis], None], told: str
) -> None:
    spoil(server)
    async with AsyncClient(settings, create_broker(settings)) as client:
        message = client.message("classify", **CLASSIFY)

        for step in (
            lambda: client.send("classify", **CLASSIFY),
            lambda: client.put("a large text"),
            lambda: client.cancel(message),
        ):
            with pytest.raises(RedisUnreachable, match=told):
                await step()


def test_a_wrong_password_is_not_repeated(settings: Settings, server: redis.Redis, own_redis: RedisServer) -> None:
    ask_password(server)
    wrong = settings.model_copy(update={"redis_url": f"redis://:wr0ng@127.0.0.1:{own_redis.port}/0"})

    with pytest.raises(RedisUnreachable) as refusal:
        Client(wrong, create_broker(wrong)).send("classify", **CLASSIFY)

    assert "wr0ng" not in str(refusal.value)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (redis.ConnectionError("Connection refused"), "does not answer: Connection refused. Is it running"),
        (redis.exceptions.BusyLoadingError("Redis is loading the dataset"), "reading its data from disk"),
        (redis.ResponseError("Command # 1 (SET) caused error: MISCONF Errors writing"), "cannot write to its disk"),
    ],
)
def test_each_reason_has_words_of_its_own(error: Exception, told: str) -> None:
    with pytest.raises(RedisUnreachable, match=told), redis_reached():
        raise error


def test_an_error_of_this_program_is_not_blamed_on_redis() -> None:
    wrong: Any = redis.ResponseError("ERR wrong number of arguments")

    with pytest.raises(redis.ResponseError, match="wrong number"), redis_reached():
        raise wrong
