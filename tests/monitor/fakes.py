"""A source and a clock that do what a test says."""

from collections.abc import Sequence

from monitor.core.dead_letters import DeadLetter, Outcome
from monitor.core.snapshot import Snapshot
from monitor.core.source import SourceState
from monitor.core.task_stories import TaskStory
from settings.sought_task import SoughtTask


class ScriptedSource:
    """Gives the snapshot it was last told, or raises the error."""

    address = "gpu-hub:6379"
    state: SourceState = "live"

    def __init__(self, snapshot: Snapshot | Exception) -> None:
        self.says = snapshot

    def watch(self, page: str) -> None:
        """It says the same for every page."""

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


class ListedLetters:
    """Dead letters in a list."""

    def __init__(self, letters: Sequence[DeadLetter]) -> None:
        self.there = list(letters)
        self.sent_again: list[DeadLetter] = []

    def read(self, lanes: list[str]) -> tuple[DeadLetter, ...]:
        """Those that are left in these lanes."""
        return tuple(letter for letter in self.there if letter.lane in lanes)

    def requeue(self, letter: DeadLetter) -> Outcome:
        """Moves one to those that were sent again."""
        self.sent_again.append(letter)
        return self.delete(letter)

    def delete(self, letter: DeadLetter) -> Outcome:
        """Takes one out of the list."""
        self.there.remove(letter)
        return "done"


class ToldTasks:
    """Tells one story of every task, or raises the error."""

    def __init__(self, story: TaskStory | Exception) -> None:
        self.says = story
        self.asked: list[SoughtTask] = []

    def read(self, task: SoughtTask) -> TaskStory:
        """What the test has put into `says`."""
        self.asked.append(task)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says
