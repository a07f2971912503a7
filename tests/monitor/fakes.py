"""A source and a clock that do what a test says."""

from monitor.core.snapshot import Snapshot


class ScriptedSource:
    """Gives the snapshot it was last told, or raises the error."""

    address = "gpu-hub:6379"

    def __init__(self, snapshot: Snapshot | Exception) -> None:
        self.says = snapshot

    def read(self) -> Snapshot:
        """What the test has put into `says`."""
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class FakeClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
