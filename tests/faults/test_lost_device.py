"""A device is lost while it computes: its process ends, and the task goes to another."""

from pathlib import Path

import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from actors.demo.models import CLASSIFIER, LANGUAGE_MODEL
from actors.middleware.device_loss import DEVICE_LOST_EXIT_CODE
from settings import keys
from settings.config import Settings
from tests.workers import BOOT_SECONDS, Workers


@pytest.mark.timeout(300)
def test_a_process_that_loses_its_device_before_its_first_task_ends_likewise_and_takes_none(
    settings: Settings, queue_redis: redis.Redis, tmp_path: Path, repository: Path, model_folder: Path
) -> None:
    environment = {"MODEL_MANAGER_PATH": str(model_folder), "PYTHONPATH": str(repository)}
    message = Client(settings, create_broker(settings)).send("classify", model=CLASSIFIER, texts=["import os"])

    preloads = {"PRELOAD_MODELS": f"{CLASSIFIER},{LANGUAGE_MODEL}"}
    with Workers(settings, tmp_path, "tests.faults.lost_device", "-p", "1", **environment, **preloads) as unlucky:
        assert unlucky.wait_until_ended() == DEVICE_LOST_EXIT_CODE

    assert queue_redis.hkeys(keys.bodies(message.options["lane"]))
    assert queue_redis.zcard(keys.WORKERS) == 0  # it said goodbye


@pytest.mark.timeout(300)
def test_a_process_that_loses_its_device_gives_its_task_to_another_and_ends(
    settings: Settings, queue_redis: redis.Redis, tmp_path: Path, repository: Path, model_folder: Path
) -> None:
    client = Client(settings, create_broker(settings))
    environment = {"MODEL_MANAGER_PATH": str(model_folder), "PYTHONPATH": str(repository)}
    message = client.send("classify", model=CLASSIFIER, texts=["import os"])

    with Workers(settings, tmp_path, "tests.faults.lost_device", "-p", "1", **environment) as unlucky:
        assert unlucky.wait_until_ended() == DEVICE_LOST_EXIT_CODE
        assert "cpu:0 was removed, reset or hung: RuntimeError: CUDA error: unspecified launch failure" in unlucky.log
    in_redis = (keys.delayed_bodies(keys.INFERENCE_QUEUE), keys.bodies(message.options["lane"]))
    assert sum(map(queue_redis.hlen, in_redis)) == 1
    assert queue_redis.zcard(keys.WORKERS) == 0  # it said goodbye
    told = [(stored.event.event, stored.event.error) for stored in client.workers.events()]
    assert ("device lost", "DeviceLost") in told
    assert told[-1] == ("ended", None)

    with Workers(settings, tmp_path, "-p", "1", **environment):
        metadata = client.result(message, timeout=BOOT_SECONDS).metadata

    assert metadata.attempts == 2
    assert metadata.retry_reasons[0].startswith("DeviceLost: cpu:0 was removed, reset or hung")
