"""Which workers differ from the reading before: of thousands, most have not beaten since."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from monitor.core.snapshot import WorkerView
from settings.records import WorkerRecord


@dataclass(frozen=True)
class Changes:
    """Workers before and now that have beaten, gone quiet or come (`None`: not there before), and those that left."""

    pairs: tuple[tuple[WorkerView | None, WorkerView], ...]
    left: tuple[WorkerView, ...] = ()

    def beats(self) -> Iterator[tuple[str, WorkerRecord, WorkerRecord]]:
        """Who has beaten, with the records before and now."""
        for before, now in self.pairs:
            if before and before.record and now.record and before.record is not now.record:
                yield now.worker_id, before.record, now.record


class ChangeWatch:
    """Compares each reading of one cluster with the one before."""

    def __init__(self) -> None:
        self._workers: dict[str, WorkerView] = {}

    def compare(self, workers: Iterable[WorkerView]) -> Changes:
        """Takes a reading in."""
        before, self._workers = self._workers, {worker.worker_id: worker for worker in workers}
        pairs = tuple(
            (known, worker)
            for worker_id, worker in self._workers.items()
            if (known := before.get(worker_id)) is not worker
        )
        return Changes(pairs, tuple(known for worker_id, known in before.items() if worker_id not in self._workers))
