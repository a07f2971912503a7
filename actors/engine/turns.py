"""Evens out batches whose callers take turns. Pure: no device, no clock of its own."""

import math
from collections.abc import Hashable, Sequence

from actors.engine.work import Row

#: Callers who send their next task when they have an answer come back within this time, in seconds; whoever comes to a
#: device that was idle for longer is somebody else.
WAY_BACK_SECONDS = 0.05

#: A device that was idle for less than this share of its last batch has lost nothing.
IDLE_SHARE = 0.1


class Turns:
    """Remembers the last batch of a device.

    While a batch is computed, the callers of the one before are on their way back. When 24 of them take turns with 8,
    the 8 are done long before the 24 are back, and a device that always took all that waits would be idle then for
    ever. A batch halfway between the two makes both as large, and each is computed while the other is on its way.

    When nobody joins the rows that such a cut left behind, they and the others came all at once, and count together.
    """

    def __init__(self) -> None:
        self._count = self._left_behind = 0
        self._group: Hashable = None
        self._started = self._ended = -math.inf

    def even(self, batch: Sequence[Row], now: float) -> Sequence[Row]:
        """The first rows of a batch, or all; rows that grow, and tasks of several rows, are not torn apart."""
        came_late = self._was_idle(now) and now - self._ended < WAY_BACK_SECONDS
        if came_late and self._may_be_cut(batch):
            self._count = math.ceil((self._count + len(batch)) / 2)
            self._left_behind = len(batch) - self._count
            return batch[: self._count]
        joined_by_nobody = len(batch) == self._left_behind
        self._count = len(batch) + (self._count if joined_by_nobody else 0)
        self._left_behind, self._group = 0, batch[0].job.group
        return batch

    def note(self, started: float, ended: float) -> None:
        """The batch was computed."""
        self._started, self._ended = started, ended

    def _was_idle(self, now: float) -> bool:
        return now - self._ended > IDLE_SHARE * (self._ended - self._started)

    def _may_be_cut(self, batch: Sequence[Row]) -> bool:
        jobs, first = {id(row.job) for row in batch}, batch[0]
        return first.job.group == self._group and self._count < len(batch) == len(jobs) and not first.item.reserve
