"""What an idle process costs Redis."""

import threading
from collections import Counter

import dramatiq
import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from actors.queueing import signs_of_life
from actors.queueing.recovery import SWEEP_SECONDS
from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from tests.light_worker import working
from tests.servers import RedisServer
from tests.waiting import wait_until

#: By Redis' own counter, which counts a script and each command inside of it.
MOST_A_SECOND = 10

#: Long enough for several looks of each kind, and a sweep after silent processes.
WATCHED_SECONDS = float(SWEEP_SECONDS)


@pytest.fixture
def settings(settings: Settings, own_redis: RedisServer) -> Settings:
    """A Redis that nobody else talks to: threads that other tests have left behind may still ping the shared one."""
    return settings.model_copy(update={"gpu_devices": "cpu", "redis_url": own_redis.url})


def commands_run(client: redis.Redis) -> Counter[str]:
    """How often Redis has run each command, inside of scripts too."""
    stats = client.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in stats.items()})


def test_a_worker_that_has_served_and_is_idle_runs_few_commands(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs_of_life, "SETTLING_MS", 0)  # it sweeps from the start
    broker = create_broker(settings)
    for queue, name in ((keys.INFERENCE_QUEUE, "classify"), (keys.CONTROL_QUEUE, "look_after")):
        dramatiq.actor(lambda **_: None, broker=broker, queue_name=queue, actor_name=name)

    with queue_client(settings) as queue_redis, working(broker):
        client = Client(settings, broker)
        client.result(client.send("classify", model="org/a", texts=["a text"]), timeout=20)
        wait_until(lambda: queue_redis.exists(keys.FREE_WORKERS), "it waits for tasks")
        threading.Event().wait(4.0)  # the looks become rarer
        before = commands_run(queue_redis)
        threading.Event().wait(WATCHED_SECONDS)
        run = commands_run(queue_redis) - before
    broker.close()

    run.pop("info", None)
    assert run.total() <= MOST_A_SECOND * WATCHED_SECONDS, f"{run.total()}: {dict(run)}"
