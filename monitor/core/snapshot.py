"""One reading of the cluster, as frozen values."""

from dataclasses import dataclass
from typing import Literal

from settings.records import LATE_AFTER_SECONDS, QueueCounts, WorkerRecord

#: live: beats; late: has missed beats; lost: its record has expired without a goodbye.
Liveness = Literal["live", "late", "lost"]


@dataclass(frozen=True)
class WorkerView:
    """A worker that beat at some time; its record is `None` when it has expired or cannot be read."""

    worker_id: str
    liveness: Liveness
    age_seconds: float
    record: WorkerRecord | None = None


@dataclass(frozen=True)
class Snapshot:
    """The cluster at one moment of Redis' clock; `at` is `None` before the first answer.

    With an `error` the rest is what was known before it.
    """

    at: float | None = None
    queues: tuple[QueueCounts, ...] = ()
    workers: tuple[WorkerView, ...] = ()
    error: str | None = None

    def count_workers(self, liveness: Liveness) -> int:
        """How many workers are live, late or lost."""
        return sum(worker.liveness == liveness for worker in self.workers)

    @property
    def dead_letters(self) -> int:
        """The dead letters of all queues."""
        return sum(queue.dead for queue in self.queues)

    @property
    def in_trouble(self) -> bool:
        """Whether somebody should look: a worker is lost or a message has died."""
        return self.count_workers("lost") > 0 or self.dead_letters > 0


def judge_liveness(age_seconds: float, has_record: bool) -> Liveness:
    """What the age of a worker's last beat and the presence of its record say about it."""
    if not has_record:
        return "lost"
    return "late" if age_seconds > LATE_AFTER_SECONDS else "live"
