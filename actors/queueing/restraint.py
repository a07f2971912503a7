"""What this worker leaves to others for a while, although it has room."""

import threading
import time
from collections.abc import Callable


class Restraint:
    """Models that have just failed here in a passing way. Written by worker threads, read by the consumer's."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._mutex = threading.Lock()

    def shun(self, model: str, seconds: float) -> None:
        """Leaves young tasks of a model, as they name it, to other workers for so long."""
        with self._mutex:
            self._until[model] = max(self._until.get(model, 0.0), self._clock() + seconds)

    def shunned(self) -> frozenset[str]:
        """The models that are left to others now."""
        with self._mutex:
            now = self._clock()
            self._until = {model: until for model, until in self._until.items() if until > now}
            return frozenset(self._until)
