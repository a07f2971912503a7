"""Brings models onto one device, within its memory and within their time."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from actors.devices.backend import Device
from actors.devices.out_of_memory import is_host_out_of_memory, is_out_of_memory
from actors.engine.ceilings import Ceilings
from actors.engine.footprints import Footprints
from actors.engine.loader import LoadedModel, choose_dtype, load_model
from actors.engine.model_cache import ModelCache
from actors.engine.parking import Parking
from actors.engine.raised import described, drop_tensors, raise_if_lost, raise_if_unhealthy
from actors.engine.watchdog import Watchdog
from actors.engine.work import Job, ModelKey
from actors.engine.work_clock import WorkClock
from actors.errors import DeviceOutOfMemory, LoadFailed, LoadTimedOut
from actors.model_store.progress import Progress
from settings.config import Settings
from settings.keep_alive import keep_alive_seconds

logger = logging.getLogger(__name__)

#: Beyond the limits of tasks and loads, so that those act first: they end tasks and not the process.
STUCK_MARGIN_SECONDS = 30.0


class Loading:
    """Belongs to the device thread; others may read `current` and `progress`."""

    def __init__(
        self,
        device: Device,
        cache: ModelCache,
        parking: Parking,
        settings: Settings,
        footprints: Footprints,
        ceilings: Ceilings,
        watchdog: Watchdog,
        clock: WorkClock,
    ) -> None:
        self._device, self._cache, self._parking, self._settings = device, cache, parking, settings
        self._footprints, self._ceilings, self._watchdog, self._clock = footprints, ceilings, watchdog, clock
        self.current: ModelKey | None = None
        self.progress: Progress | None = None

    def expected_bytes(self, job: Job) -> int:
        """What a job's model will take: as it took before on such a device, else what its weights promise."""
        dtype = self._dtype(job)
        known = None if job.key in self._cache else self._footprints.known(job.key, dtype)
        return max(job.model.bytes_as(dtype), known or 0)

    def load(self, job: Job) -> LoadedModel:
        """Loads a job's model and remembers what it takes.

        Raises:
          ClusterError: When it cannot be loaded; `LoadTimedOut` when it is not read in its time.
          DeviceLost: When the device is the reason.
        """
        dtype, started, self.current = self._dtype(job), time.monotonic(), job.key
        self.progress = progress = self._new_progress(job)
        try:
            with self._clock.stopped(progress):
                model = self._load_with_room(job, dtype, progress)
        finally:
            self.current = self.progress = None
        model.load_seconds = time.monotonic() - started
        model.keep_alive_seconds = keep_alive_seconds(self._settings.keep_alive)
        model.ceiling = self._ceilings.of(job.key, dtype)
        self._footprints.note(job.key, dtype, model.footprint)
        logger.info("Loaded %s as %s in %.2f s (%d bytes).", job.key, dtype, model.load_seconds, model.footprint)
        return model

    def _load_with_room(self, job: Job, dtype: str, progress: Progress) -> LoadedModel:
        """When memory is short, once more for what can make room."""
        while True:
            self._watchdog.watch(f"loading {job.key}", progress.limit_seconds + STUCK_MARGIN_SECONDS)
            if job.key in self._parking.models:
                progress.begin("copying", job.model.weights_bytes)
            try:
                return self._parking.bring_back(job.key) or self._read(job, dtype, progress)
            except LoadTimedOut as error:
                drop_tensors(error)
                self._device.release()
                raise
            except (RuntimeError, MemoryError, OSError) as error:
                raise_if_lost(self._device.name, error)
                drop_tensors(error)
                self._device.release()
                if not is_out_of_memory(error):
                    raise_if_unhealthy(self._device, error)
                    raise LoadFailed(f"{job.key} cannot be put onto {self._device.name}: {described(error)}") from error
                is_host = is_host_out_of_memory(error)
                if not (is_host and self._parking.give_up_all()) and not self._cache.evict_idle():
                    whose = "this host" if is_host else str(self._device.name)
                    raise DeviceOutOfMemory(f"{job.key} does not fit in {whose}'s memory: {error}") from None

    def _read(self, job: Job, dtype: str, progress: Progress) -> LoadedModel:
        attention = self._settings.attention_of(job.model.name)
        model = load_model(job.key, job.model, self._device, dtype, progress, attention)
        # Each pass is progress: a batch, or one token of a generation.
        model.module.register_forward_hook(lambda *_: self._watchdog.progress())
        return model

    @contextmanager
    def warming_up(self, job: Job) -> Iterator[None]:
        """Around the computation that is not for a caller but for the next ones."""
        self.progress = self._new_progress(job)
        self.progress.begin("warming up")
        try:
            yield
        finally:
            self.progress = None

    def _new_progress(self, job: Job) -> Progress:
        progress = Progress(str(job.key), self._settings.load_seconds)
        progress.begin("reading", job.model.weights_bytes)
        return progress

    def _dtype(self, job: Job) -> str:
        return choose_dtype(self._settings.dtype_of(job.model.name), job.plan.architecture, job.model, self._device)
