"""Worker processes with simulated devices, and models for them that are names and little else."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from actors.demo.models import CLASSIFIER, SHIPPED_MODELS
from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from settings.records import WorkerRecord

#: Importing torch on a busy machine.
START_SECONDS = 120.0


def lay_out_models(folder: Path, names: Iterable[str]) -> Path:
    """A model folder for simulated devices, which read no weights; the store wants to see some all the same."""
    for name in names:
        shutil.copytree(SHIPPED_MODELS / CLASSIFIER, folder / name)
    return folder


@contextmanager
def running_simulated_workers(settings: Settings, devices: int, environment: Mapping[str, str]) -> Iterator[None]:
    """One process for each of so many devices, under one Dramatiq master; ready at once, ended at the end."""
    command = [sys.executable, "-m", "dramatiq", "benchmarks.simulated", "--processes", str(devices)]
    names = ",".join(f"cpu:{index}" for index in range(devices))
    log_path = settings.state_dir / "simulated-workers.log"
    with log_path.open("wb") as log:
        master = subprocess.Popen(
            command, env={**os.environ, **environment, "GPU_DEVICES": names}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_ready(settings, devices, master, log_path)
        yield
    finally:
        master.send_signal(signal.SIGTERM)
        master.wait()


def _wait_until_ready(settings: Settings, devices: int, master: "subprocess.Popen[bytes]", log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with queue_client(settings) as client:
        while time.monotonic() < deadline and master.poll() is None:
            texts = [client.get(keys.worker(worker.decode())) for worker in client.zrange(keys.WORKERS, 0, -1)]
            records = [WorkerRecord.from_json(text) for text in texts if text]
            if sum(record.device is not None and record.state == "idle" for record in records) >= devices:
                return
            time.sleep(0.1)
    raise SystemExit(f"The workers did not start:\n{log_path.read_text(encoding='utf-8', errors='replace')[-2000:]}")
