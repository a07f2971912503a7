"""Real `dramatiq actors` processes for tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from settings.records import WorkerRecord
from tests.waiting import wait_until

#: What the tests' workers and engines compute on; scripts/check_directml_world names another.
TEST_DEVICE = os.environ.get("TEST_DEVICE", "cpu:0")

#: Importing torch on two busy cores.
BOOT_SECONDS = 90.0


class Workers:
    """One start of `dramatiq actors` with its worker processes, and what they log."""

    def __init__(self, settings: Settings, folder: Path, *options: str, **environment: str) -> None:
        self._settings, self.log_path = settings, folder / f"workers-{id(self)}.log"
        self._command = [sys.executable, "-m", "dramatiq", "actors", *options]
        self._environment = self._full_environment(environment)
        self._folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def _full_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        settings = self._settings
        chosen = {
            "REDIS_URL": str(settings.redis_url),
            "STATE_DIR": str(settings.state_dir),
            "GPU_DEVICES": TEST_DEVICE,
        }
        # Results are compared with the libraries' own in float32; what auto is differs between processors.
        exact = {"MODEL_DTYPE": "float32"}
        return {**os.environ, "PYTHONUNBUFFERED": "1", **chosen, **exact, **environment}

    def start(self) -> Self:
        """Starts the processes without waiting for them."""
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environment, cwd=self._folder, stdout=log, stderr=subprocess.STDOUT
            )
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def wait_until_ready(self, devices: int = 1, processes: int = 1) -> list[WorkerRecord]:
        """Waits until so many processes have a device, and so many are there at all."""
        wait_until(lambda: self._is_ready(devices, processes) or self.has_ended, "workers are ready", BOOT_SECONDS)
        assert not self.has_ended, f"the workers ended:\n{self.log}"
        return self.records()

    def _is_ready(self, devices: int, processes: int) -> bool:
        ready = [record for record in self.records() if record.state != "starting"]
        return len(ready) >= processes and sum(record.device is not None for record in ready) >= devices

    def records(self) -> list[WorkerRecord]:
        """What this start's processes say about themselves."""
        with queue_client(self._settings) as client:
            texts = [client.get(keys.worker(worker.decode())) for worker in client.zrange(keys.WORKERS, 0, -1)]
        records = [WorkerRecord.from_json(text) for text in texts if text]
        own = {child.pid for child in self.children()}
        return [record for record in records if record.pid in own]

    def children(self) -> list[psutil.Process]:
        """The worker processes."""
        assert self.process is not None
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    @property
    def has_ended(self) -> bool:
        """Whether the master is gone."""
        return self.process is not None and self.process.poll() is not None

    @property
    def log(self) -> str:
        """Everything that was logged so far."""
        return self.log_path.read_text(errors="replace")

    def wait_until_logged(self, text: str) -> None:
        """Waits for a text in the log: the master passes its processes' lines on a moment after they are written."""
        wait_until(lambda: text in self.log or self.has_ended, f"{text!r} is logged")
        assert text in self.log, f"the workers ended:\n{self.log}"

    def wait_until_ended(self) -> int:
        """Waits for the end of the master and returns its exit code."""
        assert self.process is not None
        return self.process.wait(timeout=BOOT_SECONDS)

    def stop(self) -> int:
        """Ends the processes as Ctrl-C does, after the tasks in hand."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.wait_until_ended()

    def kill(self) -> None:
        """Ends master and processes at once, and waits until their locks are free."""
        assert self.process is not None
        killed = [*self.children(), psutil.Process(self.process.pid)] if not self.has_ended else []
        for process in killed:
            process.kill()
        self.process.wait()
        wait_until(lambda: not any(map(_holds_locks, killed)), "the killed processes are gone")


def _holds_locks(process: psutil.Process) -> bool:
    """A killed process is a zombie as soon as its main thread is gone; its files stay open until the last one is."""
    try:
        return process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    except psutil.NoSuchProcess:
        return False
