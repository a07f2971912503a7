"""A driver's call that never returns ends its process, and its tasks go to another."""

from pathlib import Path

import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from actors.demo.models import CLASSIFIER
from settings import keys
from settings.config import Settings
from tests.waiting import wait_until
from tests.workers import BOOT_SECONDS, Workers


@pytest.mark.timeout(300)
def test_a_process_whose_device_thread_holds_the_gil_for_ever_ends_and_another_takes_its_task(
    settings: Settings, result_redis: redis.Redis, tmp_path: Path, repository: Path, model_folder: Path
) -> None:
    client = Client(settings, create_broker(settings))
    environment = {"MODEL_MANAGER_PATH": str(model_folder), "PYTHONPATH": str(repository)}
    message = client.send("classify", model=CLASSIFIER, texts=["import os"])
    history = keys.deliveries(message.options["redis_message_id"])

    with Workers(settings, tmp_path, "tests.faults.stuck_device_thread", "-p", "1", **environment) as stuck:
        wait_until(lambda: result_redis.llen(history) == 1, "the task runs", BOOT_SECONDS)
        wait_until(lambda: stuck.has_ended, "the stuck process has ended", timeout_seconds=20)

        assert stuck.wait_until_ended() == 1
        assert "Timeout (0:00:05)!" in stuck.log
        assert "in _hold_the_gil" in stuck.log
    assert result_redis.llen(history) == 1

    with Workers(settings, tmp_path, "-p", "1", **environment):
        result = client.result(message, timeout=BOOT_SECONDS)

    assert result.output[0][0]["label"]
