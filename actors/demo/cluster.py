"""The demo's workers: started like an operator's, waited for, and stopped."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import redis
from pydantic import ValidationError

from actors.demo.models import DemoUnavailable
from actors.launch import device_names
from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from settings.records import WorkerRecord

#: Importing torch from a cold disk is most of it.
START_SECONDS = 180.0

#: How much of the workers' log an error shows.
LOG_TAIL_CHARACTERS = 1500


@contextmanager
def running_workers(settings: Settings, model_folder: Path) -> Iterator[list[WorkerRecord]]:
    """One worker for each device of GPU_DEVICES, ready for tasks; stopped at the end."""
    devices, log_path = device_names([]), settings.state_dir / "demo-workers.log"
    environment = {**os.environ, "MODEL_MANAGER_PATH": str(model_folder), "GPU_DEVICES": ",".join(devices)}
    with log_path.open("w", encoding="utf-8") as log:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "actors.launch"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield _wait_for_workers(settings, launcher, set(devices), log_path)
    finally:
        launcher.terminate()
        launcher.wait()


def _wait_for_workers(
    settings: Settings, launcher: "subprocess.Popen[bytes]", devices: set[str], log_path: Path
) -> list[WorkerRecord]:
    deadline = time.monotonic() + START_SECONDS
    with queue_client(settings) as client:
        while time.monotonic() < deadline and launcher.poll() is None:
            ready = [record for record in _records(client) if record.device and record.state in ("idle", "busy")]
            if devices <= {record.device.name for record in ready if record.device}:
                return ready
            if "This worker cannot start" in (log := log_path.read_text(encoding="utf-8", errors="replace")):
                break
            time.sleep(0.1)
    log = log_path.read_text(encoding="utf-8", errors="replace")
    raise DemoUnavailable(f"The workers did not start. The end of {log_path}:\n{log[-LOG_TAIL_CHARACTERS:]}")


def _records(client: redis.Redis) -> Iterator[WorkerRecord]:
    for worker_id in cast("list[bytes]", client.zrange(keys.WORKERS, 0, -1)):
        text = client.get(keys.worker(worker_id.decode()))
        try:
            if text:
                yield WorkerRecord.from_json(text)
        except ValidationError:
            continue  # another version's worker on the same Redis
