"""How long the device works for a task of each model; measured on the device thread, read by the heartbeat."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from actors.engine.work import Row


@dataclass(frozen=True)
class Served:
    """What a device has done for one model: seconds of work, and tasks that it ended."""

    seconds: float = 0.0
    tasks: int = 0


class ServiceTimes:
    """Sums batches up by the name that their tasks call the model by, until someone takes the sums."""

    def __init__(self) -> None:
        self._served: dict[str, Served] = {}
        self._mutex = threading.Lock()

    def note(self, batch: Sequence[Row], seconds: float) -> None:
        """A batch took so long, its tokenising included; a task counts with the batch that it ended in."""
        with self._mutex:
            for row in batch:
                self._add(row.job.request.model, seconds / len(batch), 0)
            for job in {id(row.job): row.job for row in batch}.values():
                self._add(job.request.model, 0.0, int(job.future.done()))

    def take(self) -> dict[str, Served]:
        """The sums since the last call."""
        with self._mutex:
            taken, self._served = self._served, {}
        return taken

    def _add(self, model: str, seconds: float, tasks: int) -> None:
        known = self._served.get(model, Served())
        self._served[model] = Served(known.seconds + seconds, known.tasks + tasks)
