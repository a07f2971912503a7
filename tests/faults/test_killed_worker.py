"""A worker process is killed while it runs a task."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from actors.demo.models import LANGUAGE_MODEL
from actors.errors import DeliveryLimitReached
from actors.queueing.deliveries import LIMIT
from settings import keys
from settings.config import Settings
from tests.waiting import wait_until
from tests.workers import BOOT_SECONDS, Workers

LONG = {"model": LANGUAGE_MODEL, "prompt": "The", "max_new_tokens": 250, "temperature": 0}

#: From the death of a process to its task's result from another.
RECOVERY_SECONDS = 10.0


Start = Callable[[str], Workers]


@pytest.fixture
def start(settings: Settings, tmp_path: Path, model_folder: Path) -> Iterator[Start]:
    """Starts one process on a device, under a master of its own: its end leaves the others alone."""
    started: list[Workers] = []

    def start_on(device: str) -> Workers:
        environment = {"GPU_DEVICES": device, "MODEL_MANAGER_PATH": str(model_folder)}
        started.append(Workers(settings, tmp_path, "-p", "1", **environment).start())
        return started[-1]

    yield start_on
    for workers in started:
        workers.kill()


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("forbids_keys")
def test_the_task_of_a_killed_process_ends_on_another(
    settings: Settings, result_redis: redis.Redis, start: Start
) -> None:
    client = Client(settings, create_broker(settings))
    both = [start("cpu:0"), start("cpu:1")]
    records = [record for workers in both for record in workers.wait_until_ready()]
    message = client.send("generate", **LONG)
    history = keys.deliveries(message.options["redis_message_id"])
    wait_until(lambda: result_redis.llen(history), "the task runs")
    (entry,) = result_redis.lrange(history, 0, -1)
    (victim,) = [record for record in records if record.worker_id == json.loads(entry)["worker_id"]]

    psutil.Process(victim.pid).kill()
    killed_at = time.monotonic()

    result = client.result(message, timeout=60)
    assert result.metadata.worker_id != victim.worker_id
    assert time.monotonic() - killed_at < RECOVERY_SECONDS


@pytest.mark.timeout(300)
def test_a_task_that_kills_its_process_each_time_becomes_a_dead_letter(
    settings: Settings, queue_redis: redis.Redis, result_redis: redis.Redis, start: Start
) -> None:
    client = Client(settings, create_broker(settings))
    devices = [f"cpu:{number}" for number in range(LIMIT)]
    message = client.send("generate", **LONG)
    history = keys.deliveries(message.options["redis_message_id"])

    for number, device in enumerate(devices):
        workers = start(device)
        wait_until(lambda expected=number + 1: result_redis.llen(history) == expected, "the task runs", BOOT_SECONDS)
        workers.kill()
    start("cpu:9")

    with pytest.raises(DeliveryLimitReached) as refusal:
        client.result(message, timeout=BOOT_SECONDS)
    assert all(f" on {settings.host_name}/{device} at " in str(refusal.value) for device in devices)
    wait_until(lambda: queue_redis.zcard(keys.dead(message.options["lane"])) == 1, "the task is a dead letter")
    assert result_redis.llen(history) == LIMIT
