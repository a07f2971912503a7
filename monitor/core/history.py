"""What changes from reading to reading: rates, durations, growth of lanes, the use of models, what workers did."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from monitor.core.durations import Durations
from monitor.core.model_history import ModelHistory
from monitor.core.passive_workers import PassiveWorkers
from monitor.core.rate_trend import RateTrend
from monitor.core.recent_tasks import let_go
from monitor.core.snapshot import Changes, Snapshot, Trends, WorkerHistory
from monitor.core.worker_history import WorkerHistories
from settings.records import WorkerRecord

#: Rates and growth are those of the last minute.
RATE_SECONDS = 60.0

#: Before so many seconds were watched no rate is told.
LEAST_SECONDS = 10.0


@dataclass(frozen=True)
class _Moment:
    at: float
    done: int
    failed: int
    ready: dict[str, int]


class History:
    """Watches the readings of one cluster, in order; keeps a minute of totals and ten of models and workers."""

    def __init__(self) -> None:
        self._moments: deque[_Moment] = deque()
        self._models, self._workers, self._passive = ModelHistory(), WorkerHistories(), PassiveWorkers()
        self._done = self._failed = 0
        self._done_trend, self._failed_trend, self._durations = RateTrend(), RateTrend(), Durations()
        self._tasks_seconds: list[float] = []

    def observe(self, snapshot: Snapshot, changes: Changes) -> Trends:
        """Takes a reading in and tells the trends up to it."""
        now = snapshot.at or 0.0
        self._models.begin(now)
        self._watch_workers(changes, now)
        self._workers.observe(changes, now)
        ready = {lane.name: lane.ready for lane in snapshot.lanes if lane.ready}
        self._moments.append(_Moment(now, self._done, self._failed, ready))
        while now - self._moments[0].at > RATE_SECONDS:
            self._moments.popleft()
        trends = replace(
            self._trends_of_minute(),
            waits=self._durations.observe(snapshot.lanes, self._tasks_seconds, now),
            passive=self._passive.observe(snapshot, changes),
        )
        done, failed = self._done_trend.observe(now, self._done), self._failed_trend.observe(now, self._failed)
        return trends if trends.done_per_minute is None else replace(trends, done_trend=done, failed_trend=failed)

    def of_worker(self, worker_id: str) -> WorkerHistory | None:
        """What one worker did; None for one that is not there."""
        return self._workers.of(worker_id)

    def _watch_workers(self, changes: Changes, now: float) -> None:
        self._tasks_seconds = []
        for beat in changes.beats:
            _, before, record, _ = beat
            self._done += max(0, record.done - before.done)
            self._failed += max(0, record.failed - before.failed)
            self._models.compare(beat, now)
            if before.running:
                self._tasks_seconds.extend(_in_hand_seconds(before, record))

    def _trends_of_minute(self) -> Trends:
        first, last = self._moments[0], self._moments[-1]
        watched = self._models.watched_seconds(last.at)
        trends = Trends(
            loads=self._models.counts("load"),
            unloads=self._models.counts("unload"),
            swaps=self._models.counts("swap"),
            uses=self._models.counts("use"),
            watched_seconds=watched if watched >= LEAST_SECONDS else None,
        )
        if (seconds := last.at - first.at) < LEAST_SECONDS:
            return trends
        growth = {
            name: 60 * change / seconds
            for name in first.ready.keys() | last.ready.keys()
            if (change := last.ready.get(name, 0) - first.ready.get(name, 0))
        }
        return replace(
            trends,
            done_per_minute=60 * (last.done - first.done) / seconds,
            failed_per_minute=60 * (last.failed - first.failed) / seconds,
            growth_per_minute=growth,
        )


def _in_hand_seconds(before: WorkerRecord, now: WorkerRecord) -> Iterator[float]:
    """How long each task was in hand that has gone: until the middle between two beats, by the worker's clock."""
    gone_at = (before.sent_at + now.sent_at) / 2
    return (max(0.0, gone_at - task.started_at) for task in let_go(before, now))
