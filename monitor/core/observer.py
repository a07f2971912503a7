"""What no single reading tells: trends, events, and tasks that workers have let go."""

from dataclasses import replace

from monitor.core.changes import ChangeWatch
from monitor.core.event_log import EventLog
from monitor.core.history import History
from monitor.core.recent_tasks import RecentTasks
from monitor.core.snapshot import Snapshot, WorkerHistory


class Observer:
    """Watches the readings of one cluster, in order."""

    def __init__(self) -> None:
        self._changes, self._history = ChangeWatch(), History()
        self._events, self._recent = EventLog(), RecentTasks()

    def observe(self, snapshot: Snapshot) -> Snapshot:
        """Takes a reading in, and adds what it tells together with those before."""
        changes = self._changes.compare(snapshot)
        return replace(
            snapshot,
            changes=changes,
            trends=self._history.observe(snapshot, changes),
            events=self._events.observe(snapshot, changes),
            recent_tasks=self._recent.observe(changes),
        )

    def of_worker(self, worker_id: str) -> WorkerHistory | None:
        """What one worker did; None for one that is not there."""
        return self._history.of_worker(worker_id)
