"""A worker process is killed while it runs a task."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from actors.broker import create_broker
from actors.client import Client
from actors.demo.models import LANGUAGE_MODEL
from settings.config import Settings
from settings.records import WorkerRecord
from tests.waiting import wait_until
from tests.workers import Workers

LONG = {"model": LANGUAGE_MODEL, "prompt": "The", "max_new_tokens": 250, "temperature": 0}

#: From the death of a process to its task's result from another.
RECOVERY_SECONDS = 10.0


@pytest.fixture
def two_workers(settings: Settings, tmp_path: Path, model_folder: Path) -> Iterator[list[Workers]]:
    """Two starts, so that the end of one process leaves the other alone."""
    devices = ("cpu:0", "cpu:1")
    workers = [
        Workers(settings, tmp_path, "-p", "1", GPU_DEVICES=device, MODEL_MANAGER_PATH=str(model_folder))
        for device in devices
    ]
    for start in workers:
        start.start()
    yield workers
    for start in workers:
        start.kill()


@pytest.mark.timeout(300)
def test_the_task_of_a_killed_process_ends_on_another(settings: Settings, two_workers: list[Workers]) -> None:
    client = Client(settings, create_broker(settings))
    for workers in two_workers:
        workers.wait_until_ready()
    message = client.send("generate", **LONG)
    wait_until(lambda: any(is_busy(workers) for workers in two_workers), "the task runs")
    (victim,) = [record for workers in two_workers if (record := is_busy(workers))]

    psutil.Process(victim.pid).kill()
    killed_at = time.monotonic()

    result = client.result(message, timeout=60)
    assert result.metadata.worker_id != victim.worker_id
    assert time.monotonic() - killed_at < RECOVERY_SECONDS


def is_busy(workers: Workers) -> WorkerRecord | None:
    """The record of the process that runs something."""
    return next((record for record in workers.records() if record.running), None)
