"""Which workers differ from the reading before: of thousands, most have not beaten since."""

from monitor.core.snapshot import Changes, Snapshot, WorkerView

Workers = tuple[WorkerView, ...]


class ChangeWatch:
    """Compares each reading of one cluster with the one before."""

    def __init__(self) -> None:
        self._workers: Workers = ()

    def compare(self, snapshot: Snapshot) -> Changes:
        """Takes a reading in; what it tells itself of changes is taken where it is about the same two readings."""
        before, self._workers = self._workers, snapshot.workers
        told = snapshot.changes
        if told and told.before is before and told.now is snapshot.workers:
            return told
        return _compare(before, snapshot.workers)


def _compare(before: Workers, now: Workers) -> Changes:
    """By the objects: to ask each of thousands for its name takes longer than all else here."""
    if now is before:
        return Changes(before, now)
    known, here = {*map(id, before)}, {*map(id, now)}
    left = {worker.worker_id: worker for worker in before if id(worker) not in here}
    pairs = [(left.pop(worker.worker_id, None), worker) for worker in now if id(worker) not in known]
    return Changes(before, now, tuple(pairs), tuple(left.values()))
