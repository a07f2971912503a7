"""A connection that dies without a word is noticed: what was missed is found, and what follows is heard."""

import asyncio
from collections.abc import Iterator

import pytest
import redis

from actors.queueing import listener, pulse, result_waiter
from actors.queueing.cancellations import Cancellations, TaskInHand
from actors.queueing.doorbell import Doorbell
from actors.queueing.result_waiter import ResultWaiter
from settings import keys
from settings.config import Settings
from settings.connections import async_result_client, queue_client, result_client
from tests.faults.proxy import Fault, FaultyProxy
from tests.servers import RedisServer
from tests.waiting import wait_until

#: Between looks, pings and reconnections.
SHORT_SECONDS = 0.05


@pytest.fixture
def proxy(redis_server: RedisServer, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    for module, constant in [
        (listener, "LISTEN_SECONDS"),
        (listener, "RECONNECT_SECONDS"),
        (pulse, "PING_SECONDS"),
        (result_waiter, "SWEEP_SECONDS"),
    ]:
        monkeypatch.setattr(module, constant, SHORT_SECONDS)
    monkeypatch.setattr(pulse, "PONG_SECONDS", 0.5)
    proxy = FaultyProxy(redis_server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def behind(settings: Settings, proxy: FaultyProxy) -> Settings:
    """The settings of a process that reaches Redis through the proxy."""
    return settings.model_copy(update={"redis_url": proxy.url})


def test_a_worker_that_went_deaf_hears_the_doorbell_again(
    proxy: FaultyProxy, behind: Settings, queue_redis: redis.Redis
) -> None:
    trap = proxy.trap(Fault.DEAFNESS, b"PSUBSCRIBE", keys.bell("*").encode())
    with queue_client(behind) as client:
        doorbell = Doorbell(client)
        arrival = doorbell.event("inference")
        wait_until(lambda: trap.is_sprung and arrival.is_set(), "it has looked once, and hears nothing")
        arrival.clear()

        wait_until(arrival.is_set, "it looks again", 10)
        arrival.clear()
        queue_redis.publish(keys.bell("inference"), b"")

        wait_until(arrival.is_set, "it hears", 10)
        doorbell._listener.stop()


def test_a_task_is_cancelled_though_its_worker_was_deaf_when_that_was_said(
    proxy: FaultyProxy, behind: Settings, result_redis: redis.Redis
) -> None:
    trap = proxy.trap(Fault.DEAFNESS, b"PSUBSCRIBE", keys.CANCELS.encode())
    with result_client(behind) as client:
        cancellations, task = Cancellations(client), TaskInHand("a-task")
        cancellations.start()
        wait_until(lambda: trap.is_sprung, "it hears nothing")

        cancellations.add([task])
        result_redis.set(keys.cancelled("a-task"), b"")
        result_redis.publish(keys.CANCELS, "a-task")

        wait_until(lambda: task.is_cancelled, "it is cancelled", 10)
        cancellations.stop()


async def test_a_gateway_that_went_deaf_hears_of_results_again(
    proxy: FaultyProxy, behind: Settings, result_redis: redis.Redis
) -> None:
    trap = proxy.trap(Fault.DEAFNESS, b"SUBSCRIBE", b"cm:reply:")
    async with async_result_client(behind) as client:
        waiter = ResultWaiter(client)
        waiting = asyncio.create_task(waiter.wait("key", seconds=10))

        while not waiting.done():
            result_redis.publish(waiter.reply_to, "key\nstored nowhere else")
            await asyncio.wait({waiting}, timeout=SHORT_SECONDS)

        assert waiting.result() == b"stored nowhere else"
        assert trap.is_sprung
        await waiter.close()


async def test_a_silence_in_which_redis_answers_is_only_a_silence(
    proxy: FaultyProxy, behind: Settings, result_redis: redis.Redis
) -> None:
    async with async_result_client(behind) as client:
        waiter = ResultWaiter(client)
        await waiter.expect("key")
        subscribed, pinged = calls(result_redis, "subscribe"), calls(result_redis, "ping")

        while calls(result_redis, "ping") < pinged + 3:
            await asyncio.sleep(0)

        assert calls(result_redis, "subscribe") == subscribed
        await waiter.close()


def calls(client: redis.Redis, command: str) -> int:
    """How often anybody has sent a command."""
    return int(client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])
