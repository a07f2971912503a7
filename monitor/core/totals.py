"""The whole cluster in sums: workers by state, tasks by what has become of them, and the memory of its GPUs."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from monitor.core.changes import ChangeWatch
from monitor.core.snapshot import Snapshot, WorkerView

#: The words for workers, those that need a look first.
ORDER = (
    *("lost", "late", "unknown", "quarantined"),
    *("busy", "loading", "starting", "idle", "draining", "standby", "control"),
)


@dataclass(frozen=True)
class Totals:
    """Sums over one reading; `None` is what nobody can tell."""

    workers: dict[str, int]
    """How many are in each state, those that need a look first."""
    waiting: int
    first_waits_seconds: float | None
    """For how long the first of any lane has waited."""
    running: int
    delayed: int
    dead: int
    gpus: int
    gpus_untold: int
    """Those that cannot tell their memory; it is in neither sum."""
    memory_used: int | None
    memory_total: int | None


def sum_up(snapshot: Snapshot) -> Totals:
    """The sums of one reading."""
    return TotalsWatch().sum_up(snapshot)


class TotalsWatch:
    """Sums up readings of one cluster, in order; of its workers it counts those anew that have changed."""

    def __init__(self) -> None:
        self._changes, self._states = ChangeWatch(), Counter[str]()
        self._gpus = self._gpus_told = self._used = self._total = 0

    def sum_up(self, snapshot: Snapshot) -> Totals:
        """The sums of a reading."""
        changes = self._changes.compare(snapshot)
        self._count(1, (worker for _, worker in changes.pairs))
        self._count(-1, (worker for worker, _ in changes.pairs if worker))
        self._count(-1, changes.left)
        return Totals(
            workers={state: self._states[state] for state in ORDER if self._states[state]},
            waiting=sum(queue.ready for queue in snapshot.queues),
            first_waits_seconds=max(
                (wait for lane in snapshot.lanes if (wait := lane.oldest_seconds) is not None), default=None
            ),
            running=sum(queue.running for queue in snapshot.queues),
            delayed=sum(queue.delayed for queue in snapshot.queues),
            dead=snapshot.dead_letters,
            gpus=self._gpus,
            gpus_untold=self._gpus - self._gpus_told,
            memory_used=self._used if self._gpus_told else None,
            memory_total=self._total if self._gpus_told else None,
        )

    def _count(self, times: int, workers: Iterable[WorkerView]) -> None:
        for worker in workers:
            self._states[worker.word] += times
            if (gpu := worker.gpu) is None:
                continue
            self._gpus += times
            if (used := gpu.memory_used) is not None and (total := gpu.memory_total) is not None:
                self._gpus_told += times
                self._used += times * used
                self._total += times * total
