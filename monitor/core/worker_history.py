"""What each worker did in the last ten minutes, as far as they were watched."""

import math
from collections import deque
from dataclasses import dataclass

from monitor.core.snapshot import Changes, Minute, StateChange, WorkerHistory, WorkerView
from settings.records import WorkerRecord

#: So many minutes are kept, the one that goes on included, and so many changes of state.
MOST_MINUTES, MOST_CHANGES = 10, 12

MINUTE_SECONDS = 60.0

#: States between which workers change with every task.
_SERVING = ("idle", "busy")


@dataclass(slots=True)
class _Part:
    begin: float
    done: int = 0
    failed: int = 0
    beats: int = 0
    busy_beats: int = 0
    gpu_percent: float | None = None
    memory_used: int | None = None


class _Watched:
    """One worker."""

    __slots__ = ("changes", "parts", "record", "since", "state")

    def __init__(self, now: float) -> None:
        self.since, self.state = now, ""
        self.record: WorkerRecord | None = None
        self.changes: deque[StateChange] = deque(maxlen=MOST_CHANGES)
        self.parts: deque[_Part] = deque([_Part(now)], maxlen=MOST_MINUTES)

    def observe(self, worker: WorkerView, now: float) -> None:
        if (state := _state(worker)) != self.state:
            self.state = state
            self.changes.append(StateChange(now, state))
        before, self.record = self.record, worker.record or self.record
        if worker.record is not None and worker.record is not before:
            _add(self.parts[-1], before, worker.record)

    def told(self) -> WorkerHistory:
        minutes = (
            Minute(part.begin, part.done, part.failed, _share(part), part.gpu_percent, part.memory_used)
            for part in self.parts
        )
        return WorkerHistory(self.since, tuple(minutes), tuple(self.changes))


class WorkerHistories:
    """Watches the readings of one cluster, in order; a worker that is no longer told of is forgotten."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}
        self._minute = -math.inf

    def observe(self, changes: Changes, now: float) -> None:
        """Takes a reading in."""
        if now - self._minute >= MINUTE_SECONDS:
            self._minute = now
            for watched in self._watched.values():
                watched.parts.append(_Part(now))
        for worker in changes.left:
            self._watched.pop(worker.worker_id, None)
        for _, worker in changes.pairs:
            if worker.worker_id not in self._watched:
                self._watched[worker.worker_id] = _Watched(now)
            self._watched[worker.worker_id].observe(worker, now)

    def of(self, worker_id: str) -> WorkerHistory | None:
        """What one worker did; None for one that is not there."""
        watched = self._watched.get(worker_id)
        return watched.told() if watched else None


def _state(worker: WorkerView) -> str:
    if worker.liveness != "live":
        return worker.liveness
    if worker.record is None:
        return "unknown"
    return "serving" if worker.record.state in _SERVING else worker.record.state


def _add(part: _Part, before: WorkerRecord | None, record: WorkerRecord) -> None:
    part.beats += 1
    part.busy_beats += bool(record.running)
    if before is not None:
        part.done += max(0, record.done - before.done)
        part.failed += max(0, record.failed - before.failed)
    if device := record.device:
        part.memory_used = device.memory_used
        if device.busy_percent is not None and math.isfinite(device.busy_percent):
            part.gpu_percent = max(part.gpu_percent or 0.0, device.busy_percent)


def _share(part: _Part) -> float | None:
    return 100 * part.busy_beats / part.beats if part.beats else None
