"""All that an operator can change in a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.core.dead_letters import LETTERS_AT_ONCE, Change, DeadLetter
from monitor.core.lane_actions import LaneActions
from monitor.core.lane_plans import Lanes
from monitor.core.told import Told
from monitor.core.undoing import Undoing
from monitor.core.worker_actions import WorkerActions
from monitor.core.worker_plans import Workers
from settings.config import Settings


class Letters(Protocol):
    """Reads and changes the dead letters of a cluster."""

    def read(self, lanes: list[str], most: int = LETTERS_AT_ONCE) -> tuple[DeadLetter, ...]:
        """The newest of each of these lanes."""

    def change(self, change: Change, letters: Sequence[DeadLetter]) -> Told:
        """Sends some again, or deletes them."""


class Undo(Protocol):
    """Puts back what was deleted last."""

    def undo(self) -> Told:
        """Says what was put back."""


@dataclass(frozen=True)
class Actions:
    """What can be done besides dead letters."""

    workers: Workers
    lanes: Lanes
    undo: Undo

    @classmethod
    def on(cls, settings: Settings) -> "Actions":
        """Those on the cluster of a configuration."""
        return cls(WorkerActions(settings), LaneActions(settings), Undoing(settings))
