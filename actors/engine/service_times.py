"""How long the device works for a task of each model; measured on the device thread, read by the heartbeat."""

import threading
from collections import Counter
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
        rows = Counter(row.job.request.model for row in batch)
        jobs = {id(row.job): row.job for row in batch}.values()
        ended = Counter(job.request.model for job in jobs if job.has_ended)
        with self._mutex:
            for model, count in rows.items():
                known = self._served.get(model, Served())
                share = seconds * count / len(batch)
                self._served[model] = Served(known.seconds + share, known.tasks + ended[model])

    def take(self) -> dict[str, Served]:
        """The sums since the last call."""
        with self._mutex:
            taken, self._served = self._served, {}
        return taken
