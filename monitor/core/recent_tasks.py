"""The tasks that workers had in hand and have no longer."""

from collections import deque
from collections.abc import Iterator

from monitor.core.snapshot import RecentTask, WorkerView
from settings.records import TaskRecord, WorkerRecord

#: So many are kept, the latest.
MOST_RECENT = 100


class RecentTasks:
    """Watches the workers' records, which come every two seconds: shorter tasks are seen by chance."""

    def __init__(self) -> None:
        self._records: dict[str, WorkerRecord] = {}
        self._recent: deque[RecentTask] = deque(maxlen=MOST_RECENT)

    def observe(self, workers: tuple[WorkerView, ...]) -> tuple[RecentTask, ...]:
        """Takes a reading in; the latest that have gone, first the newest."""
        known, self._records = self._records, {}
        for worker in workers:
            if worker.record is None:
                continue
            self._records[worker.worker_id] = worker.record
            before = known.get(worker.worker_id)
            # The source gives the same object again while a worker has not beaten.
            if before is not None and before is not worker.record:
                self._note(worker.worker_id, before, worker.record)
        return tuple(self._recent)

    def _note(self, worker_id: str, before: WorkerRecord, now: WorkerRecord) -> None:
        for task in let_go(before, now):
            self._recent.appendleft(RecentTask(worker_id, task, now.sent_at))


def let_go(before: WorkerRecord, now: WorkerRecord) -> Iterator[TaskRecord]:
    """The tasks of a worker's record that are not in its next one."""
    kept = {task.message_id for task in now.running}
    return (task for task in before.running if task.message_id not in kept)
