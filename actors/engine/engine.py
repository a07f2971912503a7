"""One thread that owns the device: it opens it, loads models, computes batches and frees memory."""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from actors.devices.backend import Device, DeviceName, backend_module
from actors.engine.batch_runner import BatchRunner
from actors.engine.batcher import WaitingRows, cut_batch
from actors.engine.ceilings import Ceilings
from actors.engine.commands import Answer, Commands
from actors.engine.footprints import Footprints
from actors.engine.holding import HOLDINGS, pin
from actors.engine.loader import LoadedModel, ModelInput
from actors.engine.loading import STUCK_MARGIN_SECONDS, Loading
from actors.engine.model_cache import ModelCache
from actors.engine.parking import Parking, host_budget_bytes
from actors.engine.prefetch import Prefetch
from actors.engine.raised import described, raise_if_unhealthy
from actors.engine.service_times import ServiceTimes
from actors.engine.task import Task, load_task
from actors.engine.unreturned import Unreturned
from actors.engine.warm_up import task_of, warm_up_request
from actors.engine.watchdog import Watchdog
from actors.engine.work import Job, ModelKey, Row, TextStream
from actors.engine.work_clock import WorkClock
from actors.errors import (
    ClusterError,
    DeviceLost,
    InferenceFailed,
    TransientError,
    WorkerStopping,
)
from actors.model_store.model_store import ModelStore
from actors.model_store.reference import ModelReference
from actors.model_store.stored_model import StoredModel, not_here_yet
from actors.payloads import Request
from settings.config import Settings
from settings.records import ArrivingModel

logger = logging.getLogger(__name__)

#: How long the watchdog goes on watching when there is nothing to do; work that comes meanwhile need not arm it anew.
REST_AFTER_SECONDS = 1.0
#: Between two looks at what has outlived its keep_alive; no lock of Windows waits for months.
LONGEST_WAIT_SECONDS = 3_600.0


@dataclass(frozen=True)
class EngineStatus:
    """What the engine is doing; read from any thread."""

    loading: str | None
    arriving: tuple[ArrivingModel, ...]
    computing: bool
    models: tuple[LoadedModel, ...]
    budget_bytes: int | None


class Engine:
    """Computes requests on one device. `start`, `submit` and `stop` may be called from any thread."""

    def __init__(self, device: DeviceName, settings: Settings) -> None:
        self._name, self._settings = device, settings
        self.footprints, self.ceilings = Footprints(), Ceilings()
        self.service_times, self.unreturned = ServiceTimes(), Unreturned()
        self.when_lost: Callable[[DeviceLost], None] = lambda loss: None
        """Called once, on the device thread, before the tasks fail that it had."""
        self._store = ModelStore(settings, self._loaded_models)
        self._tasks: dict[str, Task] = {}
        self._changed = threading.Condition()
        self._arrived: list[Job] = []
        self._commands = Commands()
        self._waiting = WaitingRows(settings.swap_max_wait)
        self._stopping = False
        self._ending: TransientError = WorkerStopping("the worker is shutting down")
        self._watchdog, self._clock = Watchdog(), WorkClock()
        self._prefetch = Prefetch(self._find_here, self._may_read_ahead)
        self._opened: Future[Device] = Future()
        self._thread = threading.Thread(target=self._run, name=f"device-{device}", daemon=True)

    def start(self) -> Device:
        """Opens the device on its thread and begins to work.

        Raises:
          DeviceUnavailable: When it cannot be opened.
        """
        self._watchdog.start()
        self._thread.start()
        device = self._opened.result()
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
        plan, reference = self._task(actor).plan(request), ModelReference.parse(request.model)
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
        with self._changed:
            if not self._stopping:
                self._arrived.extend(jobs)
                self._changed.notify()
                return
        self._fail(jobs, self._ending)

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
        with self._changed:
            if self._stopping:
                raise self._ending
            future = self._commands.put(command)
            self._changed.notify()
        return future

    def finish(self, job: Job) -> object:
        """The result of a completed job as JSON; called in the finisher thread."""
        return self._task(job.task).finish(job.request, job.future.result().outputs)

    def stop_bringing(self) -> None:
        """Ends downloads and waiting for a folder: the jobs that need them fail as `WorkerStopping`, others go on."""
        self._store.stop()

    def stop(self) -> None:
        """Ends the thread after the batch in hand; what still waits fails as `WorkerStopping`."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self.stop_bringing()
        self._prefetch.stop()
        self._thread.join()
        self._watchdog.stop()

    def status(self) -> EngineStatus:
        """What the engine is doing now."""
        if not self._opened.done() or self._opened.exception():
            return EngineStatus(loading=None, arriving=(), computing=False, models=(), budget_bytes=None)
        progress = self._loading.progress
        return EngineStatus(
            loading=str(self._loading.current) if self._loading.current else None,
            arriving=(*([progress.to_record()] if progress else ()), *self._store.arriving),
            computing=self._runner.is_computing,
            models=self._cache.models,
            budget_bytes=self._cache.budget_bytes,
        )

    def _prepare_ahead(self, jobs: Sequence[Job]) -> None:
        """Spares the device thread the tokenising where the model is there already, and its tokenizer can be shared."""
        inputs = {model.key: model.input for model in self._cache.models}
        alike: dict[tuple[str, ModelKey], list[Job]] = {}
        for job in jobs:
            alike.setdefault((job.task, job.key), []).append(job)
        for (task, key), group in alike.items():
            if (model := inputs.get(key)) and getattr(model.tokenizer, "is_fast", False):
                self._prepare(self._task(task), model, group)

    def _loaded_models(self) -> list[tuple[str, str]]:
        return [(model.key.name, model.key.revision) for model in self.status().models]

    def _find_here(self, name: str) -> StoredModel | None:
        return self._store.find_here(ModelReference.parse(name))

    def _may_read_ahead(self, model: StoredModel) -> bool:
        """While nothing is loaded, which is in more of a hurry, and unless it is in memory already."""
        held = {(key.name, key.revision) for key in (*self._parking.models, *(one.key for one in self._cache.models))}
        return self._loading.current is None and (model.name, model.revision) not in held

    def _task(self, actor: str) -> Task:
        if actor not in self._tasks:
            self._tasks[actor] = load_task(actor)
        return self._tasks[actor]

    # Everything below runs on the device thread.

    def _run(self) -> None:
        self._watchdog.watch(f"opening {self._name}", self._settings.model_load_timeout)
        try:
            self._device = backend_module(self._name.backend).open_device(self._name.index, self._settings)
            self._parking = Parking(self._device, host_budget_bytes(self._settings, self._device))
            unloading = partial(self.unreturned.measured, self._device)
            self._cache = ModelCache(self._budget_bytes(), self._device.release, self._parking.park, unloading)
            self._runner = BatchRunner(self._device, self._cache)
            self._loading = Loading(
                self._device,
                self._cache,
                self._parking,
                self._settings,
                self.footprints,
                self.ceilings,
                self._watchdog,
                self._clock,
            )
        except BaseException as error:  # noqa: BLE001  # whoever waits in `start` gets it
            self._watchdog.rest()
            self._opened.set_exception(error)
            return
        self._opened.set_result(self._device)
        while self._take_in():
            try:
                self._obey()
                self._expire()
                if self._waiting:
                    self._serve(self._waiting.next_group(self._cache.__contains__, time.monotonic()))
            except DeviceLost as error:
                self._end_with(error)
            except Exception as error:
                logger.exception("The device thread met an unexpected error.")
                self._end_if_unhealthy(error)
            self._waiting.remove_finished()
        self._commands.fail(self._ending)
        self._fail(self._waiting.drain(), self._ending)
        if not isinstance(self._ending, DeviceLost):  # whose memory is gone, and whose driver may never return
            self._watch("unloading all models")
            self._cache.clear()

    def _end_with(self, error: DeviceLost) -> None:
        """All tasks fail with this one's error, and so does what comes later."""
        with self._changed:
            self._ending, self._stopping = error, True
        self.when_lost(error)
        self._store.stop()  # what waits for a download need not wait for its end

    def _end_if_unhealthy(self, error: Exception) -> None:
        try:
            raise_if_unhealthy(self._device, error)
        except DeviceLost as lost:
            self._end_with(lost)

    def _obey(self) -> None:
        if self._commands:
            self._watch("carrying out a command")
            self._commands.run(self._cache)

    def _expire(self) -> None:
        if self._cache.seconds_to_expiry() <= 0:
            self._watch("unloading a model")
            self._cache.expire(self._waiting.models())

    def _budget_bytes(self) -> int | None:
        total = self._device.memory().total
        return int(total * self._settings.gpu_memory_fraction) if total else None

    def _take_in(self) -> bool:
        """Waits for work; False when the engine stops."""
        with self._changed:
            while not (self._arrived or self._waiting or self._commands or self._stopping):
                if self._changed.wait(self._seconds_to_rest()):
                    continue
                self._watchdog.rest()
                self.unreturned.settle(self._cache.budget_bytes)
                if self._cache.seconds_to_expiry() <= 0:
                    break
            arrived, self._arrived = self._arrived, []
        for job in arrived:
            self._waiting.add(job)
        return not self._stopping

    def _seconds_to_rest(self) -> float:
        """Until there may be something to do although no work comes."""
        times = [min(self._cache.seconds_to_expiry(), LONGEST_WAIT_SECONDS)]
        if self._watchdog.is_armed:
            times.append(REST_AFTER_SECONDS)
        return min(times)

    def _serve(self, group: Sequence[Job]) -> None:
        """Computes one batch of a group; what is wrong with it fails no other."""
        try:
            self._work_on(group)
        except DeviceLost:
            raise
        except ClusterError as error:
            self._fail(group, error)
        except Exception as error:
            logger.exception("The device thread met an unexpected error; the tasks in hand fail.")
            raise_if_unhealthy(self._device, error)
            self._fail(group, WorkerStopping("the device thread met an unexpected error"))

    def _work_on(self, group: Sequence[Job]) -> None:
        jobs = [job for job in group if not job.end_if_late()]
        if not jobs:
            return
        task, started = self._task(jobs[0].task), time.monotonic()
        self._watch(f"computing {jobs[0].task} with {jobs[0].key}")
        expected_bytes = self._loading.expected_bytes(jobs[0])
        with self._cache.use(jobs[0].key, expected_bytes, lambda: self._loading.load(jobs[0])) as model:
            self._watch(f"computing {jobs[0].task} with {jobs[0].key}")  # loading has a limit of its own
            self._note_load(jobs, time.monotonic() - started)
            model.note_keep_alive(jobs)
            started = time.monotonic()
            self._prepare(task, model.input, jobs)
            rows = [row for job in jobs if not job.has_ended for row in job.rows if row.output is None]
            if rows:
                budget = self._settings.batch_tokens or self._device.batch_tokens
                batch = cut_batch(rows, model.ceiling.within(budget), model.cost)
                with self._loading.warming_up(jobs[0]) if jobs[0].is_warm_up else nullcontext():
                    self._runner.run(task, model, batch)
                self.service_times.note(batch, time.monotonic() - started)
            if any(job.pins and job.has_succeeded for job in jobs):
                pin(str(jobs[0].key), self._cache)

    def _watch(self, operation: str) -> None:
        self._watchdog.watch(operation, self._settings.task_timeout + STUCK_MARGIN_SECONDS)

    @staticmethod
    def _note_load(jobs: Sequence[Job], seconds: float) -> None:
        now = time.monotonic()
        for job in jobs:
            job.load_seconds += min(seconds, now - job.submitted_at)

    @staticmethod
    def _prepare(task: Task, model: ModelInput, jobs: Sequence[Job]) -> None:
        """Tokenises what is not yet; when that fails for several together, each for itself."""
        jobs = [job for job in jobs if not job.rows and not job.has_ended]
        try:
            with model.lock:
                prepared = task.prepare(model, [job.request for job in jobs])
        except Exception as error:
            if len(jobs) > 1:
                for job in jobs:
                    Engine._prepare(task, model, [job])
            elif isinstance(error, ClusterError):
                jobs[0].fail(error)
            else:
                logger.warning("Task %s cannot tokenise its input.", jobs[0].task, exc_info=error)
                jobs[0].fail(InferenceFailed(f"{jobs[0].task} cannot read its input: {described(error)}"))
            return
        for job, items in zip(jobs, prepared, strict=True):
            job.rows = [Row(job, item) for item in items]

    @staticmethod
    def _fail(jobs: Sequence[Job], error: ClusterError) -> None:
        for job in jobs:
            job.fail(error)
