"""The time that counts against TASK_TIMEOUT: it stands still while the device loads a model."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from actors.errors import LoadTimedOut
from actors.model_store.progress import Progress


class WorkClock:
    """Stopped by the device thread, read by any."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Replaced as a whole: how long it has stood still, since when it does now, and for what.
        self._stops: tuple[float, float | None, Progress | None] = (0.0, None, None)

    def now(self) -> float:
        """As `time.monotonic`, less the loading."""
        stood_seconds, since, _ = self._stops
        return (self._clock() if since is None else since) - stood_seconds

    @property
    def lateness(self) -> LoadTimedOut | None:
        """The error of a load that takes too long; None also when there is none."""
        _, _, progress = self._stops
        return progress.lateness if progress else None

    @contextmanager
    def stopped(self, progress: Progress) -> Iterator[None]:
        """Around a load, which has a limit of its own."""
        (stood_seconds, _, _), since = self._stops, self._clock()
        self._stops = stood_seconds, since, progress
        try:
            yield
        finally:
            self._stops = stood_seconds + self._clock() - since, None, None
