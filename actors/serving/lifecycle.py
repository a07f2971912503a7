"""What has happened to this worker process and its models since that was last told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from actors.errors import DeviceLost, LoadTimedOut, ModelBroken, ModelRefused, ModelTooLarge, StoreFull
from settings.records import LifecycleEvent, LifecycleKind, WorkerRecord

#: With these a task ends whose model cannot be had. A name that no store knows is its caller's mistake, not an event.
LOAD_FAILURES = (LoadTimedOut, ModelBroken, ModelRefused, ModelTooLarge, StoreFull)

#: No more than so many are kept while Redis is away.
MOST_UNTOLD = 100


class Lifecycle:
    """Any thread notes what a record does not show; whoever sends the records tells it, one at a time."""

    def __init__(self, worker_id: str) -> None:
        self._worker_id = worker_id
        self._noted: list[LifecycleEvent] = []
        self._told: WorkerRecord | None = None
        self._mutex = threading.Lock()

    def note(self, event: LifecycleKind, model: str | None = None, error: str | None = None) -> None:
        """Something has happened; the same again before it was told counts once."""
        noted = LifecycleEvent(worker_id=self._worker_id, event=event, model=model, error=error)
        with self._mutex:
            if noted not in self._noted and len(self._noted) < MOST_UNTOLD:
                self._noted.append(noted)

    def note_failure(self, model: str | None, exception: BaseException | None) -> None:
        """A task has failed, which says something of its model or of the device, or nothing."""
        if isinstance(exception, DeviceLost):
            self.note("device lost", error=type(exception).__name__)
        elif isinstance(exception, LOAD_FAILURES):
            self.note("load failed", model, type(exception).__name__)

    @contextmanager
    def telling(self, record: WorkerRecord | None) -> Iterator[tuple[LifecycleEvent, ...]]:
        """What is to be told along with a record inside the context; when that fails, it is once more next time."""
        with self._mutex:
            noted, self._noted = self._noted, []
        try:
            yield (*noted, *(changes_between(self._told, record) if record else ()))
        except BaseException:
            with self._mutex:
                self._noted = [*noted, *self._noted][:MOST_UNTOLD]
            raise
        self._told = record


def changes_between(before: WorkerRecord | None, now: WorkerRecord) -> Iterator[LifecycleEvent]:
    """What the later of two records shows that the earlier did not; None is that of a process that has just begun."""
    phases_before, phases = _phases(before), _phases(now)
    models_before, models = _models(before), _models(now)
    for model, phase in phases.items():
        if phases_before.get(model) != phase:
            yield LifecycleEvent(worker_id=now.worker_id, event="loading", model=model, phase=phase)
    for model in sorted(models - models_before):
        yield LifecycleEvent(worker_id=now.worker_id, event="loaded", model=model)
    for model in sorted(models_before - models):
        yield LifecycleEvent(worker_id=now.worker_id, event="unloaded", model=model)
    if (event := _turn(before, now)) is not None:
        yield LifecycleEvent(worker_id=now.worker_id, event=event)


def _phases(record: WorkerRecord | None) -> dict[str, str]:
    return {arriving.model: arriving.phase for arriving in record.arriving} if record else {}


def _models(record: WorkerRecord | None) -> set[str]:
    return {f"{model.model}@{model.revision}" for model in record.models} if record else set()


def _turn(before: WorkerRecord | None, now: WorkerRecord) -> LifecycleKind | None:
    """Whether it has begun to take no tasks, or takes them again."""
    was = before.state if before else "starting"
    if now.state == was:
        return None
    if now.state in ("draining", "quarantined"):
        return now.state
    return "resumed" if was in ("draining", "quarantined") else None
