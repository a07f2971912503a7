"""The tasks that workers had in hand and have no longer."""

from collections import deque
from collections.abc import Iterator

from monitor.core.snapshot import Changes, RecentTask
from settings.records import TaskRecord, WorkerRecord

#: So many are kept, the latest.
MOST_RECENT = 100


class RecentTasks:
    """Watches the workers' records, which come every two seconds: shorter tasks are seen by chance."""

    def __init__(self) -> None:
        self._recent: deque[RecentTask] = deque(maxlen=MOST_RECENT)

    def observe(self, changes: Changes) -> tuple[RecentTask, ...]:
        """Takes a reading in; the latest that have gone, first the newest."""
        for worker_id, before, now, _ in changes.beats:
            if before.running:
                self._recent.extendleft(RecentTask(worker_id, task, now.sent_at) for task in let_go(before, now))
        return tuple(self._recent)


def let_go(before: WorkerRecord, now: WorkerRecord) -> Iterator[TaskRecord]:
    """The tasks of a worker's record that are not in its next one."""
    kept = {task.message_id for task in now.running}
    return (task for task in before.running if task.message_id not in kept)
