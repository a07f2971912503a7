"""From requests to results on one device: finds models, plans jobs, and hands them to the thread that computes."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from actors.devices.backend import Device, DeviceName
from actors.engine.commands import Answer
from actors.engine.device_thread import DeviceThread
from actors.engine.holding import HOLDINGS
from actors.engine.model_cache import ModelCache
from actors.engine.prefetch import Prefetch
from actors.engine.preparing import prepare
from actors.engine.status import EngineStatus
from actors.engine.task import TaskKinds
from actors.engine.warm_up import task_of, warm_up_request
from actors.engine.work import Job, ModelKey, TextStream
from actors.engine.work_clock import WorkClock
from actors.errors import DeviceLost
from actors.model_store.model_store import ModelStore
from actors.model_store.reference import ModelReference
from actors.model_store.stored_model import StoredModel, not_here_yet
from actors.payloads import Request
from settings.config import Settings


class Engine:
    """Computes requests on one device. `start`, `submit` and `stop` may be called from any thread."""

    def __init__(self, device: DeviceName, settings: Settings) -> None:
        self._settings = settings
        self._tasks, self._clock = TaskKinds(), WorkClock()
        self._thread = DeviceThread(device, settings, self._tasks, self._clock, self._lose)
        self.footprints, self.ceilings = self._thread.footprints, self._thread.ceilings
        self.service_times, self.unreturned = self._thread.service_times, self._thread.unreturned
        self.when_lost: Callable[[DeviceLost], None] = lambda loss: None
        """Called once, on the device thread, before the tasks fail that it had."""
        self._store = ModelStore(settings, self._loaded_models)
        self._prefetch = Prefetch(self._find_here, self._may_read_ahead)

    def start(self) -> Device:
        """Opens the device and begins to work.

        Raises:
          DeviceUnavailable: When it cannot be opened.
        """
        device = self._thread.start()
        self._prefetch.start()
        return device

    def plan(
        self,
        actor: str,
        request: Request,
        timeout_seconds: float,
        queued_seconds: float = 0.0,
        stream: TextStream | None = None,
        keep_alive: float | None = None,
        due_seconds: float = math.inf,
    ) -> Job:
        """The job that a request becomes, to be handed over with `submit`.

        It may work for `timeout_seconds`, not counting what bringing and loading models takes, and has no worth after
        `due_seconds`.
        `keep_alive` is how many seconds its model stays after this use, None to leave that as it is.

        Raises:
          PermanentError: When it can be told at once that the request cannot be run.
          StoreUnreachable: When the folder of models cannot be read.
        """
        plan, reference = self._tasks[actor].plan(request), ModelReference.parse(request.model)
        found = self._store.find(reference)
        is_here = found.done()
        model = found.result() if is_here else not_here_yet(reference)
        deadline, due = self._clock.now() + timeout_seconds, time.monotonic() + due_seconds
        job = Job(actor, request, plan, model, deadline, due, self._clock)
        job.stream, job.queued_seconds = stream, queued_seconds
        job.keep_alive_seconds = keep_alive
        job.coming_model = None if is_here else found
        return job

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hands over jobs that may share a batch; the future of each is completed in every case."""
        for job in jobs:
            if job.coming_model:
                job.coming_model.add_done_callback(partial(self._submit_when_come, job))
        jobs = [job for job in jobs if job.coming_model is None]
        self._prepare_ahead(jobs)
        self._thread.submit(jobs)

    def _submit_when_come(self, job: Job, found: "Future[StoredModel]") -> None:
        """In the thread that brought the model."""
        try:
            job.model, seconds = found.result(), time.monotonic() - job.submitted_at
        except BaseException as error:  # noqa: BLE001  # the job's future is completed in every case
            job.fail(error)
            return
        job.load_seconds, job.deadline, job.coming_model = seconds, job.deadline + seconds, None
        self.submit([job])

    def load(
        self,
        model: str,
        task: str | None,
        timeout_seconds: float,
        keep_alive: float | None = None,
        *,
        pinned: bool = False,
    ) -> Job:
        """Loads a model by the smallest task of its kind, as if that had waited SWAP_MAX_WAIT; raises as `plan`.

        One that is to be pinned is so before anything else can unload it.
        """
        due_at = time.monotonic() + timeout_seconds
        task = task or task_of(self._store.find(ModelReference.parse(model)).wait(timeout_seconds))
        request, seconds_left = warm_up_request(task, model), due_at - time.monotonic()
        waited = self._settings.swap_max_wait
        job = self.plan(task, request, seconds_left, waited, keep_alive=keep_alive, due_seconds=seconds_left)
        job.is_warm_up, job.pins = True, pinned
        self.submit([job])
        return job

    def expect(self, model: str) -> None:
        """Says that a model is probably needed next, so that its files are in memory by then. Never fails, and takes no
        time."""
        self._prefetch.expect(model)

    def hold(self, action: str, model: str) -> "Future[tuple[str, ...]]":
        """Unloads or unpins a model; the future holds the ids of what is meant, or `ModelNotLoaded`."""
        return self.between_batches(partial(HOLDINGS[action], model))

    def between_batches(self, command: Callable[[ModelCache], Answer]) -> "Future[Answer]":
        """Runs a command on the device thread, which alone may touch the models, before the next batch.

        Raises:
          WorkerStopping, DeviceLost: When this engine computes nothing more.
        """
        return self._thread.between_batches(command)

    def finish(self, job: Job) -> object:
        """The result of a completed job as JSON; called in the finisher thread."""
        return self._tasks[job.task].finish(job.request, job.future.result().outputs)

    def stop_bringing(self) -> None:
        """Ends downloads and waiting for a folder: the jobs that need them fail as `WorkerStopping`, others go on."""
        self._store.stop()

    def stop(self) -> None:
        """Ends the thread after the batch in hand; what still waits fails as `WorkerStopping`."""
        self._thread.stop()
        self.stop_bringing()
        self._prefetch.stop()
        self._thread.join()

    def status(self) -> EngineStatus:
        """What the engine is doing now."""
        status = self._thread.status()
        return replace(status, arriving=(*status.arriving, *self._store.arriving))

    def _lose(self, loss: DeviceLost) -> None:
        self.when_lost(loss)
        self.stop_bringing()  # what waits for a download need not wait for its end

    def _prepare_ahead(self, jobs: Sequence[Job]) -> None:
        """Spares the device thread the tokenising where the model is there already, and its tokenizer can be shared."""
        inputs = {model.key: model.input for model in self._thread.models}
        alike: dict[tuple[str, ModelKey], list[Job]] = {}
        for job in jobs:
            alike.setdefault((job.task, job.key), []).append(job)
        for (task, key), group in alike.items():
            if (model := inputs.get(key)) and getattr(model.tokenizer, "is_fast", False):
                prepare(self._tasks[task], model, group)

    def _loaded_models(self) -> list[tuple[str, str]]:
        return [(model.key.name, model.key.revision) for model in self._thread.models]

    def _find_here(self, name: str) -> StoredModel | None:
        return self._store.find_here(ModelReference.parse(name))

    def _may_read_ahead(self, model: StoredModel) -> bool:
        """While nothing is loaded, which is in more of a hurry, and unless it is in memory already."""
        return self._thread.status().loading is None and (model.name, model.revision) not in self._thread.held
