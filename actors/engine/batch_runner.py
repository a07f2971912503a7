"""Computes batches on one device and finds out, when one fails, whose fault it was."""

import logging
import time
from collections.abc import Callable, Sequence

from actors.devices.backend import Device
from actors.devices.out_of_memory import is_out_of_memory
from actors.engine.batcher import halves, padded_tokens, tokens_at_end
from actors.engine.loader import LoadedModel
from actors.engine.model_cache import ModelCache
from actors.engine.raised import described, drop_tensors, raise_if_lost, raise_if_unhealthy
from actors.engine.suspicion import Suspicion
from actors.engine.task import Task
from actors.engine.work import Job, Output, Row
from actors.errors import (
    ClusterError,
    DeviceFaulty,
    DeviceOutOfMemory,
    InferenceFailed,
)

logger = logging.getLogger(__name__)


class BatchRunner:
    """Belongs to the device thread; others may read `is_computing`."""

    def __init__(self, device: Device, cache: ModelCache) -> None:
        self._device, self._cache = device, cache
        self._suspicion = Suspicion()
        self.is_computing = False

    def run(self, task: Task, model: LoadedModel, rows: Sequence[Row]) -> None:
        """Runs a batch; a failing one again in halves, until the guilty row is alone.

        Raises:
          DeviceLost: When the device is the reason; the rows are left without an end.
        """
        started = time.monotonic()
        error = self._try(lambda: task.compute(model, rows, self._delivery(model, len(rows), started)))
        seconds = time.monotonic() - started
        left = [row for row in rows if row.output is None and not row.job.has_ended]
        for job in {id(row.job): row.job for row in rows if not row.job.has_ended}.values():
            job.compute_seconds += seconds
        if error is None:
            model.cost.note(padded_tokens(rows), seconds)
            model.ceiling.note_success(tokens_at_end(rows))
        elif left:
            self._run_what_is_left(task, model, rows, left, error)

    def _delivery(self, model: LoadedModel, size: int, started: float) -> Callable[[Row, Output], None]:
        def deliver(row: Row, output: Output) -> None:
            row.output = output
            self._suspicion.note_success()
            row.job.batch_size = max(row.job.batch_size, size)
            if all(sibling.output for sibling in row.job.rows):
                row.job.compute_seconds += time.monotonic() - started
            row.job.complete_if_done(model.dtype)

        return deliver

    def _try(self, compute: Callable[[], None]) -> Exception | None:
        self.is_computing = True
        try:
            compute()
        except Exception as error:  # noqa: BLE001  # torch raises whatever; every row's future is completed by the caller
            drop_tensors(error)
            return error
        finally:
            self.is_computing = False
            self._device.after_batch()
        return None

    def _run_what_is_left(
        self, task: Task, model: LoadedModel, rows: Sequence[Row], left: Sequence[Row], error: Exception
    ) -> None:
        raise_if_lost(self._device.name, error)
        if is_out_of_memory(error) and self._makes_room(model, rows):
            self.run(task, model, left)
        elif len(rows) == 1:
            left[0].job.fail(self._verdict(left[0].job, error))
        else:
            logger.warning("A batch of %d rows failed (%s); trying its halves.", len(rows), described(error))
            self._device.release()
            self._run_halves(task, model, left)

    def _makes_room(self, model: LoadedModel, rows: Sequence[Row]) -> bool:
        """Whether an idle model could be unloaded for a batch; none is for a mere trial of a larger one."""
        size = tokens_at_end(rows)
        is_trial = len(rows) > 1 and model.ceiling.is_beyond(size)
        if not is_trial and self._cache.evict_idle():
            return True
        if len(rows) > 1:
            model.ceiling.note_failure(size)
            logger.info("Batches with %s hold %s tokens for now.", model.key, model.ceiling.tokens)
        return False

    def _run_halves(self, task: Task, model: LoadedModel, left: Sequence[Row]) -> None:
        """The first half may have taught that the second is too large as well."""
        for half in filter(None, halves(left)):
            if len(half) > 1 and model.ceiling.is_beyond(tokens_at_end(half)):
                self._run_halves(task, model, half)
            else:
                self.run(task, model, half)

    def _verdict(self, job: Job, error: Exception) -> ClusterError:
        """The error that the guilty row's caller gets."""
        if isinstance(error, ClusterError):
            return error
        if is_out_of_memory(error):
            return DeviceOutOfMemory(f"{job.task} on {self._device.name}, alone in its batch: {described(error)}")
        logger.warning("Task %s failed alone in its batch.", job.task, exc_info=error)
        if isinstance(error, RuntimeError):
            self._raise_if_faulty(job, error)
        return InferenceFailed(f"{job.task} failed on this input: {described(error)}")

    def _raise_if_faulty(self, job: Job, error: RuntimeError) -> None:
        """A failing device need not say so at all."""
        raise_if_unhealthy(self._device, error)
        if self._suspicion.note_failure(job.request, job.key.name):
            raise DeviceFaulty(
                f"{self._device.name} is likely to be faulty: different tasks with different models failed on it one"
                f" after another, and none went well; the last was {job.task} with {job.key}: {described(error)}"
            ) from error
