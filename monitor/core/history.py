"""What changes from reading to reading: rates, durations, the growth of lanes, and loads of models."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from monitor.core.durations import Durations
from monitor.core.rate_trend import RateTrend
from monitor.core.recent_tasks import let_go
from monitor.core.snapshot import Snapshot, Trends, WorkerView
from monitor.core.spread import Waits
from settings.records import WorkerRecord

#: Rates and growth are those of the last minute.
RATE_SECONDS = 60.0

#: Before so many seconds were watched no rate is told.
LEAST_SECONDS = 10.0

#: Loads are counted for so long.
LOADS_SECONDS = 600.0


@dataclass(frozen=True)
class _Moment:
    at: float
    done: int
    failed: int
    ready: dict[str, int]


class History:
    """Watches the readings of one cluster, in order; keeps a minute of totals and ten of loads."""

    def __init__(self) -> None:
        self._moments: deque[_Moment] = deque()
        self._loads: deque[tuple[float, str]] = deque()
        self._records: dict[str, WorkerRecord] = {}
        self._done = self._failed = 0
        self._done_trend, self._failed_trend, self._durations = RateTrend(), RateTrend(), Durations()
        self._tasks_seconds: list[float] = []

    def observe(self, snapshot: Snapshot) -> Trends:
        """Takes a reading in and tells the trends up to it."""
        now = snapshot.at or 0.0
        self._watch_workers(snapshot, now)
        ready = {lane.name: lane.ready for lane in snapshot.lanes if lane.ready}
        self._moments.append(_Moment(now, self._done, self._failed, ready))
        while now - self._moments[0].at > RATE_SECONDS:
            self._moments.popleft()
        while self._loads and now - self._loads[0][0] > LOADS_SECONDS:
            self._loads.popleft()
        waits = self._durations.observe(snapshot.lanes, self._tasks_seconds, now)
        return self._trends(
            self._done_trend.observe(now, self._done), self._failed_trend.observe(now, self._failed), waits
        )

    def _watch_workers(self, snapshot: Snapshot, now: float) -> None:
        known, self._records, self._tasks_seconds = self._records, {}, []
        for worker in snapshot.workers:
            if worker.record is None:
                continue
            self._records[worker.worker_id] = worker.record
            before = known.get(worker.worker_id)
            # The source gives the same object again while a worker has not beaten.
            if before is not None and before is not worker.record:
                self._done += max(0, worker.record.done - before.done)
                self._failed += max(0, worker.record.failed - before.failed)
                self._loads.extend((now, model) for model in _loaded_between(before, worker))
                self._tasks_seconds.extend(_in_hand_seconds(before, worker.record))

    def _trends(self, done_trend: tuple[float, ...], failed_trend: tuple[float, ...], waits: Waits) -> Trends:
        first, last = self._moments[0], self._moments[-1]
        loads = dict(Counter(model for _, model in self._loads))
        if (seconds := last.at - first.at) < LEAST_SECONDS:
            return Trends(loads=loads, waits=waits)
        growth = {
            name: 60 * change / seconds
            for name in first.ready.keys() | last.ready.keys()
            if (change := last.ready.get(name, 0) - first.ready.get(name, 0))
        }
        done, failed = (60 * count / seconds for count in (last.done - first.done, last.failed - first.failed))
        return Trends(done, failed, growth, loads, done_trend, failed_trend, waits)


def _in_hand_seconds(before: WorkerRecord, now: WorkerRecord) -> Iterator[float]:
    """How long each task was in hand that has gone: until the middle between two beats, by the worker's clock."""
    gone_at = (before.sent_at + now.sent_at) / 2
    return (max(0.0, gone_at - task.started_at) for task in let_go(before, now))


def _loaded_between(before: WorkerRecord, worker: WorkerView) -> Iterator[str]:
    if worker.record and worker.record.models != before.models:
        known = {(model.model, model.loaded_at) for model in before.models}
        for model in worker.record.models:
            if (model.model, model.loaded_at) not in known:
                yield model.model
