"""Workers that beat and take nothing, although tasks wait for what they hold."""

from monitor.core.snapshot import Changes, Snapshot, WorkerView
from settings import keys

#: A worker that has taken nothing for so long is told of; one that is well takes a task within a second or two.
PASSIVE_SECONDS = 60.0

#: After a longer gap between two readings nobody knows what happened meanwhile.
GAP_SECONDS = 15.0


class PassiveWorkers:
    """Watches the readings of one cluster, in order."""

    def __init__(self) -> None:
        self._idle: dict[str, WorkerView] = {}
        self._since: dict[str, tuple[float, int]] = {}
        self._at = 0.0

    def observe(self, snapshot: Snapshot, changes: Changes) -> dict[str, float]:
        """Takes a reading in; those that have been passive for long enough to be told, and for how many seconds."""
        self._follow_idle(changes)
        now, waiting = snapshot.at or 0.0, waiting_by_model(snapshot)
        known = self._since if now - self._at <= GAP_SECONDS else {}
        self._at, self._since = now, {}
        for worker in self._idle.values() if waiting else ():
            if _holds_any(worker, waiting):
                done = worker.record.done + worker.record.failed if worker.record else 0
                before = known.get(worker.worker_id)
                self._since[worker.worker_id] = before if before and before[1] == done else (now, done)
        told = ((worker_id, now - since) for worker_id, (since, _) in self._since.items())
        return {worker_id: seconds for worker_id, seconds in told if seconds >= PASSIVE_SECONDS}

    def _follow_idle(self, changes: Changes) -> None:
        for worker in changes.left:
            self._idle.pop(worker.worker_id, None)
        for _, worker in changes.pairs:
            if _is_idle(worker):
                self._idle[worker.worker_id] = worker
            else:
                self._idle.pop(worker.worker_id, None)


def waiting_by_model(snapshot: Snapshot) -> dict[str, int]:
    """How many tasks wait for each model in lanes that are not paused."""
    waiting: dict[str, int] = {}
    for lane in snapshot.lanes:
        if lane.queue == keys.INFERENCE_QUEUE and lane.model and lane.ready and not lane.is_paused:
            waiting[lane.model] = waiting.get(lane.model, 0) + lane.ready
    return waiting


def waiting_for(worker: WorkerView, waiting: dict[str, int]) -> int:
    """How many of these tasks wait for what a worker holds."""
    models = worker.record.models if worker.record else ()
    names = {name for model in models for name in (model.model, f"{model.model}@{model.revision}")}
    return sum(count for name, count in waiting.items() if name in names)


def _holds_any(worker: WorkerView, waiting: dict[str, int]) -> bool:
    """The same without counting: it is asked of every idle worker at each reading."""
    for model in worker.record.models if worker.record else ():
        if model.model in waiting or f"{model.model}@{model.revision}" in waiting:
            return True
    return False


def _is_idle(worker: WorkerView) -> bool:
    record = worker.record
    return worker.liveness == "live" and record is not None and record.state == "idle" and not record.running
