"""The thread that owns a device: it opens it, loads models, computes batches and frees memory."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from functools import partial

from actors.devices.backend import Device, DeviceName, backend_module
from actors.engine.batch_runner import BatchRunner
from actors.engine.batcher import WaitingRows, cut_batch
from actors.engine.ceilings import Ceilings
from actors.engine.commands import Answer, Commands
from actors.engine.footprints import Footprints
from actors.engine.holding import pin
from actors.engine.loader import LoadedModel
from actors.engine.loading import STUCK_MARGIN_SECONDS, Loading
from actors.engine.model_cache import ModelCache
from actors.engine.parking import Parking, host_budget_bytes
from actors.engine.preparing import prepare
from actors.engine.raised import raise_if_unhealthy
from actors.engine.service_times import ServiceTimes
from actors.engine.status import EngineStatus
from actors.engine.task import TaskKinds
from actors.engine.turns import Turns
from actors.engine.unreturned import Unreturned
from actors.engine.watchdog import Watchdog
from actors.engine.work import Job
from actors.engine.work_clock import WorkClock
from actors.errors import ClusterError, DeviceLost, TransientError, WorkerStopping
from settings.config import Settings

logger = logging.getLogger(__name__)

#: How long the watchdog goes on watching when there is nothing to do; work that comes meanwhile need not arm it anew.
REST_AFTER_SECONDS = 1.0
#: Between two looks at what has outlived its keep_alive; no lock of Windows waits for months.
LONGEST_WAIT_SECONDS = 3_600.0


class DeviceThread:
    """Computes the jobs that any thread hands over, and completes the future of each in every case.

    `when_lost` is called on this thread when the device is lost, before the tasks fail that it had.
    """

    def __init__(
        self,
        name: DeviceName,
        settings: Settings,
        tasks: TaskKinds,
        clock: WorkClock,
        when_lost: Callable[[DeviceLost], None],
    ) -> None:
        self._name, self._settings, self._tasks, self._clock = name, settings, tasks, clock
        self._when_lost = when_lost
        self.footprints, self.ceilings = Footprints(), Ceilings()
        self.service_times, self.unreturned = ServiceTimes(), Unreturned()
        self._changed = threading.Condition()
        self._arrived: list[Job] = []
        self._commands = Commands()
        self._waiting, self._turns = WaitingRows(settings.swap_max_wait), Turns()
        self.is_stopping = False
        self._ending: TransientError = WorkerStopping("the worker is shutting down")
        self._watchdog = Watchdog()
        self._opened: Future[Device] = Future()
        self._thread = threading.Thread(target=self._run, name=f"device-{name}", daemon=True)

    def start(self) -> Device:
        """Opens the device and begins to work.

        Raises:
          DeviceUnavailable: When it cannot be opened.
        """
        self._watchdog.start()
        self._thread.start()
        return self._opened.result()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hands over jobs that may share a batch."""
        with self._changed:
            if not self.is_stopping:
                self._arrived.extend(jobs)
                self._changed.notify()
                return
        _fail(jobs, self._ending)

    def between_batches(self, command: Callable[[ModelCache], Answer]) -> "Future[Answer]":
        """Runs a command before the next batch; this thread alone may touch the models.

        Raises:
          WorkerStopping, DeviceLost: When nothing more is computed.
        """
        with self._changed:
            if self.is_stopping:
                raise self._ending
            future = self._commands.put(command)
            self._changed.notify()
        return future

    def stop(self) -> None:
        """Ends after the batch in hand; what still waits fails as `WorkerStopping`."""
        with self._changed:
            self.is_stopping = True
            self._changed.notify()

    def join(self) -> None:
        """Waits for the end."""
        self._thread.join()
        self._watchdog.stop()

    @property
    def models(self) -> tuple[LoadedModel, ...]:
        """What is loaded; none before the device is open."""
        return self._cache.models if self._is_open else ()

    @property
    def held(self) -> set[tuple[str, str]]:
        """The names and revisions of what is in memory, the device's or the host's."""
        return {(key.name, key.revision) for key in (*self._parking.models, *(model.key for model in self.models))}

    def status(self) -> EngineStatus:
        """What it is doing now."""
        if not self._is_open:
            return EngineStatus(loading=None, arriving=(), computing=False, models=(), budget_bytes=None)
        current, progress = self._loading.current, self._loading.progress
        return EngineStatus(
            loading=str(current) if current else None,
            arriving=(progress.to_record(),) if progress else (),
            computing=self._runner.is_computing,
            models=self._cache.models,
            budget_bytes=self._cache.budget_bytes,
        )

    @property
    def _is_open(self) -> bool:
        return self._opened.done() and not self._opened.exception()

    # Everything below runs on the thread itself.

    def _run(self) -> None:
        limit_seconds = self._settings.model_load_timeout + STUCK_MARGIN_SECONDS
        self._watchdog.watch(f"opening {self._name}", limit_seconds)
        try:
            self._open()
        except BaseException as error:  # noqa: BLE001  # whoever waits in `start` gets it
            self._watchdog.rest()
            self._opened.set_exception(error)
            return
        self._opened.set_result(self.device)
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
        self._close()

    def _open(self) -> None:
        self.device = backend_module(self._name.backend).open_device(self._name.index, self._settings)
        self._parking = Parking(self.device, host_budget_bytes(self._settings, self.device))
        unloading = partial(self.unreturned.measured, self.device)
        self._cache = ModelCache(self._budget_bytes(), self.device.release, self._parking.park, unloading)
        self._runner = BatchRunner(self.device, self._cache)
        self._loading = Loading(
            self.device,
            self._cache,
            self._parking,
            self._settings,
            self.footprints,
            self.ceilings,
            self._watchdog,
            self._clock,
        )

    def _close(self) -> None:
        self._commands.fail(self._ending)
        _fail(self._waiting.drain(), self._ending)
        if not isinstance(self._ending, DeviceLost):  # whose memory is gone, and whose driver may never return
            self._watch("unloading all models")
            self._cache.clear()

    def _end_with(self, error: DeviceLost) -> None:
        """All tasks fail with this one's error, and so does what comes later."""
        with self._changed:
            self._ending, self.is_stopping = error, True
        self._when_lost(error)

    def _end_if_unhealthy(self, error: Exception) -> None:
        try:
            raise_if_unhealthy(self.device, error)
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
        total = self.device.memory().total
        return int(total * self._settings.gpu_memory_fraction) if total else None

    def _take_in(self) -> bool:
        """Waits for work; False when the thread is to end."""
        with self._changed:
            while not (self._arrived or self._waiting or self._commands or self.is_stopping):
                if self._changed.wait(self._seconds_to_rest()):
                    continue
                self._watchdog.rest()
                self.unreturned.settle(self._cache.budget_bytes)
                if self._cache.seconds_to_expiry() <= 0:
                    break
            arrived, self._arrived = self._arrived, []
        for job in arrived:
            self._waiting.add(job)
        return not self.is_stopping

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
            _fail(group, error)
        except Exception as error:
            logger.exception("The device thread met an unexpected error; the tasks in hand fail.")
            raise_if_unhealthy(self.device, error)
            _fail(group, WorkerStopping("the device thread met an unexpected error"))

    def _work_on(self, group: Sequence[Job]) -> None:
        jobs = [job for job in group if not job.end_if_late()]
        if not jobs:
            return
        first, started = jobs[0], time.monotonic()
        self._watch(f"computing {first.task} with {first.key}")
        expected_bytes = self._loading.expected_bytes(first)
        with self._cache.use(first.key, expected_bytes, lambda: self._loading.load(first)) as model:
            self._watch(f"computing {first.task} with {first.key}")  # loading has a limit of its own
            _note_load(jobs, time.monotonic() - started)
            model.note_keep_alive(jobs)
            self._compute(jobs, model)
            if any(job.pins and job.has_succeeded for job in jobs):
                pin(str(first.key), self._cache)

    def _compute(self, jobs: Sequence[Job], model: LoadedModel) -> None:
        task, started = self._tasks[jobs[0].task], time.monotonic()
        prepare(task, model.input, jobs)
        rows = [row for job in jobs if not job.has_ended for row in job.rows if row.output is None]
        if not rows:
            return
        budget = self._settings.batch_tokens or self.device.batch_tokens
        batch = self._turns.even(cut_batch(rows, model.ceiling.within(budget), model.cost), started)
        with self._loading.warming_up(jobs[0]) if jobs[0].is_warm_up else nullcontext():
            self._runner.run(task, model, batch)
        ended = time.monotonic()
        self._turns.note(started, ended)
        self.service_times.note(batch, ended - started)

    def _watch(self, operation: str) -> None:
        self._watchdog.watch(operation, self._settings.task_timeout + STUCK_MARGIN_SECONDS)


def _note_load(jobs: Sequence[Job], seconds: float) -> None:
    now = time.monotonic()
    for job in jobs:
        job.load_seconds += min(seconds, now - job.submitted_at)


def _fail(jobs: Sequence[Job], error: ClusterError) -> None:
    for job in jobs:
        job.fail(error)
