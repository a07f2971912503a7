"""How an asyncio gateway waits for many results on two connections."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis
import redis.asyncio

from actors.queueing import result_waiter
from actors.queueing.result_waiter import ResultWaiter
from settings.config import Settings
from settings.connections import async_result_client
from tests.servers import RedisServer


@pytest.fixture
async def results(settings: Settings) -> AsyncIterator[redis.asyncio.Redis]:
    async with async_result_client(settings) as client:
        yield client


@pytest.fixture
async def waiter(results: redis.asyncio.Redis) -> AsyncIterator[ResultWaiter]:
    waiter = ResultWaiter(results)
    yield waiter
    await waiter.close()


async def test_a_result_that_is_there_is_returned_at_once(waiter: ResultWaiter, results: redis.asyncio.Redis) -> None:
    await results.lpush("key", "stored")

    assert await waiter.wait("key", seconds=0.5) == b"stored"


async def test_an_announced_result_ends_the_wait(waiter: ResultWaiter, results: redis.asyncio.Redis) -> None:
    waiting = asyncio.create_task(waiter.wait("key", seconds=20))
    await results.lpush("key", "stored")
    await results.publish(waiter.reply_to, "key")

    assert await waiting == b"stored"


async def test_an_announcement_may_carry_the_result(waiter: ResultWaiter, results: redis.asyncio.Redis) -> None:
    waiting = asyncio.create_task(waiter.wait("key", seconds=20))
    await waiter._is_listening.wait()
    await results.publish(waiter.reply_to, "key\nstored")

    assert await waiting == b"stored"


async def test_results_that_were_stored_together_are_announced_together(
    waiter: ResultWaiter, results: redis.asyncio.Redis
) -> None:
    await results.lpush("large", "stored")
    waiting = asyncio.gather(*(waiter.wait(key, seconds=20) for key in ("small", "large", "other")))
    await waiter._is_listening.wait()
    await results.publish(waiter.reply_to, "small\none\nlarge\n\nother\nanother")

    assert await waiting == [b"one", b"stored", b"another"]


async def test_an_expected_result_may_be_announced_before_anybody_waits_for_it(
    waiter: ResultWaiter, results: redis.asyncio.Redis
) -> None:
    await waiter.expect("key")
    await results.publish(waiter.reply_to, "key\nannounced")
    await results.lpush("later", "stored")
    await results.publish(waiter.reply_to, "later")
    assert await waiter.wait("later", seconds=20) == b"stored"

    assert await waiter.wait("key", seconds=0) == b"announced"


async def test_an_expected_result_whose_announcement_is_lost_is_found_by_looking(
    waiter: ResultWaiter, results: redis.asyncio.Redis
) -> None:
    await waiter.expect("key")
    await results.lpush("key", "stored")

    assert await waiter.wait("key", seconds=20) == b"stored"


async def test_a_large_result_that_was_announced_before_the_wait_is_found_at_once(
    waiter: ResultWaiter, results: redis.asyncio.Redis
) -> None:
    await waiter.expect("large")
    await results.lpush("large", "stored")
    await results.publish(waiter.reply_to, "large")
    await waiter.expect("next")
    await results.publish(waiter.reply_to, "next\nheard after it")
    assert await waiter.wait("next", seconds=20) == b"heard after it"

    assert await waiter.wait("large", seconds=0) == b"stored"


async def test_only_so_many_results_are_expected(
    waiter: ResultWaiter, results: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_waiter, "MOST_EXPECTED", 1)
    await results.lpush("first", "stored")
    await waiter.expect("first")
    await waiter.expect("second")

    assert await waiter.wait("first", seconds=0.5) == b"stored"


async def test_a_result_that_nobody_announces_is_found_by_looking(
    waiter: ResultWaiter, results: redis.asyncio.Redis
) -> None:
    waiting = asyncio.create_task(waiter.wait("key", seconds=20))
    await asyncio.sleep(0)
    await results.lpush("key", "stored")

    assert await waiting == b"stored"


async def test_a_wait_without_a_result_ends_in_time(waiter: ResultWaiter) -> None:
    assert await waiter.wait("key", seconds=0.05) is None


async def test_five_hundred_waits_share_two_connections(waiter: ResultWaiter, results: redis.asyncio.Redis) -> None:
    waiting = asyncio.gather(*(waiter.wait(f"key-{number}", seconds=20) for number in range(500)))
    await asyncio.sleep(0)
    async with results.pipeline() as pipe:
        for number in range(500):
            pipe.lpush(f"key-{number}", str(number))
            pipe.publish(waiter.reply_to, f"key-{number}")
        await pipe.execute()

    assert await waiting == [str(number).encode() for number in range(500)]


async def test_waits_end_with_an_error_when_redis_is_gone(own_redis: RedisServer, settings: Settings) -> None:
    async with async_result_client(settings.model_copy(update={"redis_url": own_redis.url})) as client:
        waiter = ResultWaiter(client)
        waiting = asyncio.create_task(waiter.wait("key", seconds=20))
        await waiter._is_listening.wait()
        own_redis.stop()

        with pytest.raises((redis.ConnectionError, OSError)):
            await waiting
        await waiter.close()
