"""A device on which process after process dies with different tasks takes no more of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from actors.demo.models import LANGUAGE_MODEL
from actors.queueing.device_faults import DEATHS
from settings import keys
from settings.config import Settings
from tests.waiting import wait_until
from tests.workers import BOOT_SECONDS, Workers

LONG = {"model": LANGUAGE_MODEL, "prompt": "The", "max_new_tokens": 250, "temperature": 0}


@pytest.mark.timeout(400)
def test_a_device_whose_processes_die_with_different_tasks_is_quarantined_and_its_tasks_are_not_blamed(
    settings: Settings, queue_redis: redis.Redis, result_redis: redis.Redis, tmp_path: Path, model_folder: Path
) -> None:
    client = Client(settings, create_broker(settings))

    @contextmanager
    def worker() -> Iterator[Workers]:
        with Workers(settings, tmp_path, "-p", "1", MODEL_MANAGER_PATH=str(model_folder)) as started:
            yield started

    for _ in range(DEATHS):
        with worker():
            wait_until(lambda: not queue_redis.keys(keys.bodies("*")), "the last one is dropped", BOOT_SECONDS)
            message = client.send("generate", **LONG)
            history = keys.deliveries(message.options["redis_message_id"])
            wait_until(partial(result_redis.llen, history), "the task runs", BOOT_SECONDS)
        client.cancel(message)

    with worker() as survivor:
        wait_until(lambda: [r.state for r in survivor.records()] == ["quarantined"], "it abstains", BOOT_SECONDS)
        survivor.wait_until_logged("is in quarantine for 600 s: 3 processes ended on it with no task in common")
        assert result_redis.llen(history) == 0
        waiting = client.send("generate", **LONG)

        (device_key,) = queue_redis.keys(keys.quarantine("*"))
        queue_redis.delete(device_key)

        assert client.result(waiting, timeout=60).output["text"]
        survivor.wait_until_logged("/cpu:0 is over")
