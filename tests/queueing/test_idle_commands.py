"""What an idle process costs Redis."""

import threading
from collections import Counter

import dramatiq
import pytest
import redis

from actors.broker import create_broker
from settings import keys
from settings.config import Settings
from tests.light_worker import working
from tests.waiting import wait_until

#: By Redis' own counter, which counts a script and each command inside of it.
MOST_A_SECOND = 10

#: Long enough for two looks of each kind.
WATCHED_SECONDS = 6.0


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"gpu_devices": "cpu"})


def commands_run(client: redis.Redis) -> Counter[str]:
    """How often Redis has run each command, inside of scripts too."""
    stats = client.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in stats.items()})


def test_an_idle_process_runs_at_most_ten_commands_a_second(settings: Settings, queue_redis: redis.Redis) -> None:
    broker = create_broker(settings)
    for queue, name in ((keys.INFERENCE_QUEUE, "classify"), (keys.CONTROL_QUEUE, "look_after")):
        dramatiq.actor(lambda **_: None, broker=broker, queue_name=queue, actor_name=name)

    with working(broker):
        wait_until(lambda: queue_redis.exists(keys.FREE_WORKERS), "it waits for tasks")
        threading.Event().wait(4.0)  # the looks become rarer
        before = commands_run(queue_redis)
        threading.Event().wait(WATCHED_SECONDS)
        run = commands_run(queue_redis) - before
    broker.close()

    run.pop("info", None)
    assert run.total() <= MOST_A_SECOND * WATCHED_SECONDS, f"{run.total()}: {dict(run)}"
