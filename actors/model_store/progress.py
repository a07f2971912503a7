"""How far a model is on its way into a device's memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock

from actors.errors import LoadTimedOut
from settings.arriving import describe_progress
from settings.records import ArrivingModel, LoadPhase

#: A speed is told from what came within this time at least; of less it would jump about.
LEAST_SECONDS = 1.0


@dataclass(frozen=True)
class _Stage:
    """One phase; replaced as a whole, so that a reader never sees half of two."""

    phase: LoadPhase
    began_at: float
    total_bytes: int | None = None
    done_bytes: int | None = None
    came_bytes: int = 0
    """Of what is done, what came in this phase."""


class Progress:
    """Told by the threads that bring a model; any thread may look."""

    def __init__(
        self, model: str, limit_for: Callable[[int], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`limit_for` says how many seconds all phases together may take for so many bytes."""
        self.model, self._limit_for = model, limit_for
        self._size = 0
        self._clock, self._mutex = clock, Lock()
        self._began_at, self._started_at = clock(), time.time()
        self._stage = _Stage("looking up", self._began_at)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self._clock() - self._began_at

    @property
    def limit_seconds(self) -> float:
        """How long it may take, by what is known of its size."""
        return self._limit_for(self._size)

    @property
    def lateness(self) -> LoadTimedOut | None:
        """The error for one that takes too long."""
        if self.seconds <= (limit := self.limit_seconds):
            return None
        doing = describe_progress(self.to_record())
        return LoadTimedOut(
            f"{self.model} took longer than {limit:.0f} s ({doing}), which MODEL_LOAD_TIMEOUT and"
            " MODEL_LOAD_SECONDS_PER_GB allow; a download goes on from there at the next attempt"
        )

    def check(self) -> None:
        """Raises `LoadTimedOut` when it takes too long."""
        if error := self.lateness:
            raise error

    @property
    def has_all_bytes(self) -> bool:
        """Whether nothing more has to come in this phase."""
        stage = self._stage
        return stage.total_bytes is not None and (stage.done_bytes or 0) >= stage.total_bytes

    def begin(self, phase: LoadPhase, total_bytes: int | None = None, done_bytes: int | None = None) -> None:
        """A phase begins; `None` for what nobody can tell."""
        with self._mutex:
            self._size = max(self._size, total_bytes or 0)
            self._stage = _Stage(phase, self._clock(), total_bytes or None, done_bytes)

    def add(self, size: int) -> None:
        """So many bytes more are done; fewer than none when what was there has to come again."""
        with self._mutex:
            stage = self._stage
            self._stage = replace(
                stage, done_bytes=(stage.done_bytes or 0) + size, came_bytes=stage.came_bytes + max(0, size)
            )

    def to_record(self) -> ArrivingModel:
        """What others are told."""
        stage = self._stage
        return ArrivingModel(
            model=self.model,
            phase=stage.phase,
            done_bytes=stage.done_bytes,
            total_bytes=stage.total_bytes,
            seconds_left=self._seconds_left(stage),
            started_at=self._started_at,
        )

    def _seconds_left(self, stage: _Stage) -> float | None:
        """At the speed of this phase until now."""
        seconds = self._clock() - stage.began_at
        if not (stage.total_bytes and stage.came_bytes) or seconds < LEAST_SECONDS:
            return None
        left = max(0, stage.total_bytes - (stage.done_bytes or 0))
        return round(left * seconds / stage.came_bytes, 1)
