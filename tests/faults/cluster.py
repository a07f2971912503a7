"""Real `dramatiq actors` processes on an engine without torch, started again when they end, as the launcher does."""

from pathlib import Path

from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from tests.workers import Workers


class Cluster:
    """Some workers, each under a master of its own, with eight tasks in hand at most."""

    def __init__(self, processes: int, settings: Settings, direct: Settings, folder: Path, **environment: str) -> None:
        """`settings` are the workers', `direct` are the way to Redis that no fault is in."""
        self._settings, self._direct, self._folder, self._environment = settings, direct, folder, environment
        self._workers = [self._start(number) for number in range(processes)]
        self.deaths = 0

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *exception: object) -> None:
        for workers in self._workers:
            workers.kill()

    def kill(self, number: int) -> None:
        """Ends a worker and its master at once."""
        self._workers[number].kill()

    def replace_dead(self) -> None:
        """Starts anew what has ended, and lifts the quarantine of devices: tests kill their processes."""
        with queue_client(self._direct) as client:
            devices = (f"{self._direct.host_name}/cpu:{number}" for number in range(len(self._workers)))
            client.delete(*map(keys.quarantine, devices))
        for number, workers in enumerate(self._workers):
            if workers.has_ended:
                self.deaths += 1
                self._workers[number] = self._start(number)

    def _start(self, number: int) -> Workers:
        environment = {**self._environment, "GPU_DEVICES": f"cpu:{number}", "WORKER_CONCURRENCY": "8"}
        options = ("tests.faults.without_torch", "-p", "1")
        return Workers(self._settings, self._folder, *options, **environment).start()
