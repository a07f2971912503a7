"""The whole cluster in sums: workers by state, tasks by what has become of them, and the memory of its GPUs."""

from collections import Counter
from dataclasses import dataclass

from monitor.core.snapshot import Snapshot

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
    """The sums of a reading."""
    states = Counter(worker.word for worker in snapshot.workers)
    gpus, told = _memories(snapshot)
    return Totals(
        workers={state: states[state] for state in ORDER if states[state]},
        waiting=sum(queue.ready for queue in snapshot.queues),
        first_waits_seconds=max(
            (wait for lane in snapshot.lanes if (wait := lane.oldest_seconds) is not None), default=None
        ),
        running=sum(queue.running for queue in snapshot.queues),
        delayed=sum(queue.delayed for queue in snapshot.queues),
        dead=snapshot.dead_letters,
        gpus=gpus,
        gpus_untold=gpus - len(told),
        memory_used=sum(used for used, _ in told) if told else None,
        memory_total=sum(total for _, total in told) if told else None,
    )


def _memories(snapshot: Snapshot) -> tuple[int, list[tuple[int, int]]]:
    """How many GPUs there are, and what is used of how much of those that tell both."""
    gpus = [gpu for worker in snapshot.workers if (gpu := worker.gpu)]
    told = [
        (gpu.memory_used, gpu.memory_total)
        for gpu in gpus
        if gpu.memory_used is not None and gpu.memory_total is not None
    ]
    return len(gpus), told
