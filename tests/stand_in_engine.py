"""An engine without torch, for tests of what surrounds it: it computes nothing, and each run leaves a line."""

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.devices.backend import DeviceActivity, DeviceMemory, DeviceName
from actors.engine.ceilings import Ceilings
from actors.engine.footprints import Footprints
from actors.engine.service_times import ServiceTimes
from actors.engine.unreturned import Unreturned
from actors.engine.work import Completion, Job, Output, Plan, TextStream
from actors.model_store.stored_model import StoredModel
from actors.payloads import ClassifyRequest
from settings.config import Settings

#: To be set as `actors.middleware.engine_life.ENGINE_MODULE`.
MODULE = __name__

#: The environment's variable that names the file with a line for each run.
RUNS_FILE = "STAND_IN_RUNS_FILE"

#: How long one run takes.
COMPUTE_SECONDS = 0.1

#: How many it computes at a time.
THREADS = 4

#: What a text begins with that ends its process.
POISON = "poison"


@dataclass(frozen=True)
class StandInDevice:
    """As much of a device as a worker's record tells."""

    name: DeviceName
    label: str = "stand-in"
    identity: None = None

    def memory(self) -> DeviceMemory:
        return DeviceMemory()

    def activity(self) -> DeviceActivity:
        return DeviceActivity()

    def cpu_fallbacks(self) -> dict[str, int]:
        return {}


@dataclass(frozen=True)
class StandInStatus:
    """An engine that holds no model."""

    loading: None = None
    arriving: tuple[()] = ()
    computing: bool = False
    models: tuple[()] = ()
    budget_bytes: None = None


class Engine:
    """Has the methods of `actors.engine.engine.Engine` that hooks and actors call."""

    def __init__(self, device: DeviceName, settings: Settings) -> None:
        self._device = StandInDevice(device)
        self.footprints, self.ceilings = Footprints(), Ceilings()
        self.service_times, self.unreturned = ServiceTimes(), Unreturned()
        self.expected: list[str] = []
        """The models that were said to be needed next."""
        self._threads = ThreadPoolExecutor(THREADS)

    def start(self) -> StandInDevice:
        return self._device

    def expect(self, model: str) -> None:
        """Has nothing to read, and remembers it."""
        self.expected.append(model)

    def stop_bringing(self) -> None:
        """Brings nothing."""

    def stop(self) -> None:
        """Ends its threads after what they have in hand."""
        self._threads.shutdown()

    def status(self) -> StandInStatus:
        return StandInStatus()

    def plan(
        self,
        actor: str,
        request: ClassifyRequest,
        timeout_seconds: float,
        queued_seconds: float = 0.0,
        stream: TextStream | None = None,
        keep_alive: float | None = None,
        due_seconds: float = math.inf,
    ) -> Job:
        """A job of a model that is nowhere."""
        model = StoredModel(request.model, "local", Path(), {}, 0, 0)
        now = time.monotonic()
        return Job(actor, request, Plan("stand-in", None), model, now + timeout_seconds, now + due_seconds)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hands each to one of a few threads."""
        for job in jobs:
            self._threads.submit(self._run, job)

    def between_batches(self, command: Callable[[Any], Any]) -> "Future[Any]":
        """Runs a command, which gets no models, at once: the threads compute nothing that was given up."""
        future: Future[Any] = Future()
        future.set_result(command(None))
        return future

    def finish(self, job: Job) -> Any:
        """What `classify` returns."""
        return [output.value for output in job.future.result().outputs]

    def _run(self, job: Job) -> None:
        (text,) = job.request.texts
        try:
            job.future.set_result(_completion(job, compute(text)))
        except Exception as error:  # noqa: BLE001  # whoever waits gets it
            job.future.set_exception(error)


def compute(text: str) -> str:
    """The label of a text: the text itself. Tests in the engine's own process put something else in its place."""
    if RUNS_FILE in os.environ:
        with Path(os.environ[RUNS_FILE]).open("a", encoding="utf-8") as runs:
            runs.write(f"{text}\n")
    if text.startswith(POISON):
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait(COMPUTE_SECONDS)
    return text


def _completion(job: Job, label: str) -> Completion:
    return Completion(
        outputs=(Output([{"label": label, "score": 1.0}]),),
        model=job.model,
        dtype="float32",
        batch_size=1,
        input_tokens=1,
        truncated=0,
        queued_seconds=job.queued_seconds,
        load_seconds=0.0,
        batch_wait_seconds=0.0,
        compute_seconds=COMPUTE_SECONDS,
    )
