"""Each place in which a model is in memory: since its last use, and for how long it stays."""

from collections.abc import Iterator
from dataclasses import dataclass

from monitor.core.formatting import ABSENT, format_age
from monitor.core.snapshot import Snapshot, WorkerView
from settings.records import ModelRecord, WorkerRecord

PINNED = "pinned"


@dataclass(frozen=True)
class Stay:
    """A model in the memory of one worker's device."""

    worker: WorkerView
    held: ModelRecord
    loaded_seconds: float
    """Since it was loaded."""
    idle_seconds: float
    """Since its last use."""
    seconds_left: float | None
    """Until it goes unless it is used before; `None` when only the need for its room, or an operator, ends it."""

    @property
    def ends(self) -> str:
        """`pinned`, `4m10s`, or `-` for one that stays until its room is needed."""
        if self.held.is_pinned:
            return PINNED
        return ABSENT if self.seconds_left is None else format_age(self.seconds_left)


def stays_of(worker: WorkerView, record: WorkerRecord, at: float | None) -> Iterator[Stay]:
    """The models of one worker; its times are by its own clock, and `at` is by Redis'."""
    now = record.sent_at + worker.age_seconds(at)
    for held in record.models:
        left = None if held.expires_at is None else max(0.0, held.expires_at - now)
        yield Stay(worker, held, now - held.loaded_at, max(0.0, now - held.last_used_at), left)


def stays(snapshot: Snapshot) -> Iterator[Stay]:
    """Those of all workers."""
    for worker in snapshot.workers:
        if worker.record:
            yield from stays_of(worker, worker.record, snapshot.at)
