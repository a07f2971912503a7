"""What each worker says to a task that waits: whether it holds the task's model, or what it would have to load."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from settings.arriving import describe_for_task
from settings.byte_sizes import format_bytes
from settings.records import LATE_AFTER_SECONDS, ModelRecord, Record, WorkerRecord, WorkerState

#: States in which a worker takes no tasks, whatever it holds.
_TAKES_NONE = frozenset({"starting", "draining", "quarantined", "standby"})


@dataclass(frozen=True)
class WorkerReading:
    """A worker's record and how long ago it came by Redis' clock; the record is None for one that cannot be read."""

    worker_id: str
    age_seconds: float
    record: WorkerRecord | None

    @property
    def is_late(self) -> bool:
        """Whether it has missed beats."""
        return self.age_seconds > LATE_AFTER_SECONDS


class WorkerAnswer(Record):
    """One worker's answer; `None` stands for what nobody can tell."""

    worker_id: str
    state: WorkerState | None
    holds_model: bool
    is_late: bool
    tasks: int = 0
    needed_bytes: int | None
    """What it would have to load; None when it holds the model, too."""
    free_bytes: int | None
    """What its models leave of their budget."""
    text: str


def answers_of(
    workers: Iterable[WorkerReading], model: str | None, footprint_bytes: int | None
) -> tuple[WorkerAnswer, ...]:
    """The answer of each worker that serves tasks or may come to; `footprint_bytes` is what the model took last."""
    readings = sorted(workers, key=lambda worker: worker.worker_id)
    needed = _measured_bytes(readings, model) or footprint_bytes
    return tuple(_answer(worker, model, needed) for worker in readings if _may_serve(worker.record))


def is_held(workers: Iterable[WorkerReading], model: str) -> bool:
    """Whether any worker has the model in memory."""
    return any(worker.record is not None and holds(worker.record, model) for worker in workers)


def holds(record: WorkerRecord, model: str) -> bool:
    """Whether a worker has a model in memory that tasks call by this name."""
    return any(model in _names(loaded) for loaded in record.models)


def _names(loaded: ModelRecord) -> tuple[str, str]:
    return loaded.model, f"{loaded.model}@{loaded.revision}"


def _may_serve(record: WorkerRecord | None) -> bool:
    return record is None or record.state != "control"


def _measured_bytes(workers: Sequence[WorkerReading], model: str | None) -> int | None:
    """The most that the model takes on any worker that holds it."""
    loaded = [loaded for worker in workers if worker.record for loaded in worker.record.models]
    return max((entry.bytes for entry in loaded if model in _names(entry)), default=None)


def _free_bytes(record: WorkerRecord) -> int | None:
    if record.device is None or record.device.models_budget is None:
        return None
    return max(0, record.device.models_budget - sum(loaded.bytes for loaded in record.models))


def _answer(worker: WorkerReading, model: str | None, needed_bytes: int | None) -> WorkerAnswer:
    record = worker.record
    holds_model = record is not None and model is not None and holds(record, model)
    return WorkerAnswer(
        worker_id=worker.worker_id,
        state=record.state if record else None,
        holds_model=holds_model,
        is_late=worker.is_late,
        tasks=len(record.running) if record else 0,
        needed_bytes=None if holds_model or record is None or record.device is None else needed_bytes,
        free_bytes=_free_bytes(record) if record else None,
        text=_sentence(worker, model, holds_model, needed_bytes),
    )


def _sentence(worker: WorkerReading, model: str | None, holds_model: bool, needed_bytes: int | None) -> str:
    words = [f"late for {worker.age_seconds:.0f} s"] if worker.is_late else []
    if (record := worker.record) is None:
        return ", ".join([*words, "says nothing readable"])
    if record.state in _TAKES_NONE:
        words.append(record.state)
    else:
        words += describe_for_task(record, model)
        if model and model not in _loading_names(record):
            words.append("holds the model" if holds_model else _what_to_load(record, needed_bytes))
    if tasks := len(record.running):
        words.append(f"busy with {tasks} task{'' if tasks == 1 else 's'}")
    return ", ".join(words) or "idle"


def _loading_names(record: WorkerRecord) -> tuple[str, ...]:
    """What tasks may call the models by that are on their way, `NAME@REVISION`."""
    names = [record.loading or "", *(arriving.model for arriving in record.arriving)]
    return tuple(spelling for name in names if name for spelling in (name, name.partition("@")[0]))


def _what_to_load(record: WorkerRecord, needed_bytes: int | None) -> str:
    needed = "the model, whose size is not known" if needed_bytes is None else format_bytes(needed_bytes)
    budget = record.device.models_budget if record.device else None
    if needed_bytes is not None and budget is not None and needed_bytes > budget:
        return f"cannot load {needed}: its models may take {format_bytes(budget)}"
    free = _free_bytes(record)
    return f"would have to load {needed}, {'free memory not known' if free is None else f'{format_bytes(free)} free'}"
