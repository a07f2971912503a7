"""A source and a clock that do what a test says."""

from collections.abc import Callable, Sequence

from monitor.core.dead_letters import LETTERS_AT_ONCE, Change, DeadLetter
from monitor.core.snapshot import Snapshot
from monitor.core.source import SourceState
from monitor.core.task_stories import TaskStory
from monitor.core.told import Told
from settings.sought_task import SoughtTask
from settings.worker_commands import Action


class ScriptedSource:
    """Gives the snapshot it was last told, or raises the error."""

    address = "gpu-hub:6379"
    state: SourceState = "live"

    def __init__(self, snapshot: Snapshot | Exception) -> None:
        self.says = snapshot
        self.watched = ("", "")

    def watch(self, page: str, about: str = "") -> None:
        """It says the same for every page."""
        self.watched = (page, about)

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

    def read(self, lanes: list[str], most: int = LETTERS_AT_ONCE) -> tuple[DeadLetter, ...]:
        """The newest that are left in each of these lanes."""
        own = ([letter for letter in self.there if letter.lane == lane] for lane in lanes)
        return tuple(letter for letters in own for letter in sorted(letters, key=lambda each: -each.died_at)[:most])

    def change(self, change: Change, letters: Sequence[DeadLetter]) -> Told:
        """Takes them out of the list, and notes those that are sent again."""
        for letter in letters:
            self.there.remove(letter)
        if change == "requeue":
            self.sent_again += letters
        return Told(f"{len(letters)} {'sent again' if change == 'requeue' else 'deleted'}")


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


class NotedActions:
    """Notes what it is asked to do, in place of a cluster."""

    def __init__(self) -> None:
        self.done: list[tuple[object, ...]] = []
        self.says = Told("done")

    def command(self, worker_id: str, action: Action, model: str | None = None, *, is_over: Callable[[], bool]) -> Told:
        """What a worker is told to do."""
        return self._note(action, worker_id, *([model] if model else []))

    def pause(self, name: str) -> Told:
        """A lane or queue."""
        return self._note("pause", name)

    def resume(self, name: str) -> Told:
        """A lane or queue."""
        return self._note("resume", name)

    def purge(self, about: str, lanes: Sequence[str]) -> Told:
        """The waiting tasks of lanes."""
        return self._note("purge", about, *lanes)

    def undo(self) -> Told:
        """The last deletion."""
        return self._note("undo")

    def _note(self, *words: object) -> Told:
        self.done.append(words)
        return self.says
