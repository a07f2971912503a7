"""Several commands go in one round trip, and what one of them is refused for harms no other client's answers."""

from collections.abc import AsyncIterator

import pytest
import redis
import redis.asyncio

from actors.queueing.commands import call, command, execute, execute_async
from settings.config import Settings
from settings.connections import Use, async_queue_client, queue_client


def test_the_answers_come_in_the_order_of_the_commands(queue_redis: redis.Redis) -> None:
    twice = queue_redis.register_script("return ARGV[1] * 2")

    assert execute(queue_redis, [command("RPUSH", "a-list", "1"), call(twice, [], [4])]) == [1, 8]


def test_a_script_that_the_server_has_forgotten_is_loaded_once_more(queue_redis: redis.Redis) -> None:
    count = queue_redis.register_script("return redis.call('INCR', KEYS[1])")
    execute(queue_redis, [call(count, ["a-number"], [])])
    queue_redis.script_flush()

    assert execute(queue_redis, [command("PING"), call(count, ["a-number"], [])], at_once=True) == [b"PONG", 2]


def test_a_refusal_is_raised_after_all_answers_were_read(queue_redis: redis.Redis) -> None:
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        execute(queue_redis, [command("SET", "a-text", "1"), command("LLEN", "a-text"), command("INCR", "a-number")])

    assert execute(queue_redis, [command("GET", "a-number")]) == [b"1"]


@pytest.mark.parametrize("refused", [("LLEN", "a-text"), ("NO", "SUCH")], ids=["when it is run", "before"])
def test_what_is_refused_at_once_is_raised(queue_redis: redis.Redis, refused: tuple[str, ...]) -> None:
    queue_redis.set("a-text", "text")

    with pytest.raises(redis.ResponseError, match=r"WRONGTYPE|unknown command"):
        execute(queue_redis, [command("PING"), command(*refused)], at_once=True)

    assert execute(queue_redis, [command("PING")]) == [b"PONG"]


def test_an_answer_that_comes_too_late_is_not_taken_for_that_of_the_next_command(settings: Settings) -> None:
    impatient = queue_client(settings, Use("impatient", socket_timeout=0.05))
    execute(impatient, [command("PING")])
    with pytest.raises(redis.TimeoutError):
        execute(impatient, [command("BLPOP", "nothing", 0.2)])

    assert execute(impatient, [command("PING")]) == [b"PONG"]


@pytest.fixture
async def asyncio_redis(settings: Settings) -> AsyncIterator[redis.asyncio.Redis]:
    async with async_queue_client(settings) as client:
        yield client


async def test_in_asyncio_a_script_that_the_server_has_forgotten_is_loaded_once_more(
    asyncio_redis: redis.asyncio.Redis, queue_redis: redis.Redis
) -> None:
    count = queue_redis.register_script("return redis.call('INCR', KEYS[1])")
    queue_redis.script_flush()

    assert await execute_async(asyncio_redis, [command("PING"), call(count, ["a-number"], [])]) == [b"PONG", 1]


async def test_in_asyncio_a_refusal_is_raised_after_all_answers_were_read(asyncio_redis: redis.asyncio.Redis) -> None:
    commands = [command("SET", "a-text", "1"), command("LLEN", "a-text"), command("INCR", "a-number")]

    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        await execute_async(asyncio_redis, commands)

    assert await execute_async(asyncio_redis, [command("GET", "a-number")]) == [b"1"]


async def test_in_asyncio_an_answer_that_comes_too_late_is_not_taken_for_that_of_the_next_command(
    asyncio_redis: redis.asyncio.Redis,
) -> None:
    await execute_async(asyncio_redis, [command("PING")])
    with pytest.raises(redis.TimeoutError):
        await execute_async(asyncio_redis, [command("BLPOP", "nothing", 0.2)], timeout_seconds=0.05)

    assert await execute_async(asyncio_redis, [command("PING")]) == [b"PONG"]
