"""An engine without torch, for tests of what surrounds it: it computes nothing, and each run leaves a line."""

import os
import signal
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.devices.backend import DeviceMemory, DeviceName
from actors.engine.work import Completion, Job, Output, Plan
from actors.model_store.stored_model import StoredModel
from actors.payloads import ClassifyRequest
from settings.config import Settings

#: To be set as `actors.middleware.engine_life.ENGINE_MODULE`.
MODULE = __name__

#: The environment's variable that names the file with a line for each run.
RUNS_FILE = "STAND_IN_RUNS_FILE"

#: How long one run takes.
COMPUTE_SECONDS = 0.03

#: A text that ends its process.
POISON = "poison"


@dataclass(frozen=True)
class StandInDevice:
    """As much of a device as a worker's record tells."""

    name: DeviceName
    label: str = "stand-in"

    def memory(self) -> DeviceMemory:
        return DeviceMemory()


@dataclass(frozen=True)
class StandInStatus:
    """An engine that holds no model."""

    loading: None = None
    computing: bool = False
    models: tuple[()] = ()
    budget_bytes: None = None


class Engine:
    """Has the methods of `actors.engine.engine.Engine` that hooks and actors call."""

    def __init__(self, device: DeviceName, settings: Settings) -> None:
        self._device = StandInDevice(device)
        self._runs = Path(os.environ[RUNS_FILE]) if RUNS_FILE in os.environ else None

    def start(self) -> StandInDevice:
        return self._device

    def stop(self) -> None:
        """Has nothing to end."""

    def status(self) -> StandInStatus:
        return StandInStatus()

    def submit(self, actor: str, request: ClassifyRequest, timeout_seconds: float, queued_seconds: float = 0.0) -> Job:
        """Runs the request at once, in the thread that asks."""
        (text,) = request.texts
        self._note_run(text)
        if text.startswith(POISON):
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait(COMPUTE_SECONDS)
        model = StoredModel(request.model, "local", Path(), {}, 0, 0)
        job = Job(actor, request, Plan("stand-in", None), model, time.monotonic() + timeout_seconds, Future())
        job.future.set_result(_completion(job, text, queued_seconds))
        return job

    def finish(self, job: Job) -> Any:
        """What `classify` returns: the text as its own label."""
        return [output.value for output in job.future.result().outputs]

    def _note_run(self, text: str) -> None:
        if self._runs:
            with self._runs.open("a", encoding="utf-8") as runs:
                runs.write(f"{text}\n")


def _completion(job: Job, text: str, queued_seconds: float) -> Completion:
    return Completion(
        outputs=(Output([{"label": text, "score": 1.0}]),),
        model=job.model,
        dtype="float32",
        batch_size=1,
        input_tokens=1,
        truncated=0,
        queued_seconds=queued_seconds,
        load_seconds=0.0,
        batch_wait_seconds=0.0,
        compute_seconds=COMPUTE_SECONDS,
    )
