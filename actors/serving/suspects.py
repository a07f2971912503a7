"""Tasks that several processes had in hand as they ended: one of them may be what ends processes."""

from collections import deque
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.serving.inference_task import InferenceTask


class Suspects:
    """Those that one process has: each is run with nothing beside it, so that a further death tells which it was.

    They wait in hand until what was begun before them has ended, and nothing is taken meanwhile. Not safe to share
    between threads: `TasksInHand` guards it.
    """

    def __init__(self) -> None:
        self._waiting: deque[InferenceTask] = deque()
        self._alone: InferenceTask | None = None

    def __len__(self) -> int:
        """How many have not been begun."""
        return len(self._waiting)

    @property
    def want_the_process(self) -> bool:
        """Whether one is run alone, or waits to be."""
        return bool(self._waiting or self._alone)

    def add(self, tasks: Iterable["InferenceTask"]) -> None:
        """They wait for their turns."""
        self._waiting.extend(tasks)

    def discard(self, tasks: Collection["InferenceTask"]) -> None:
        """They have ended, by themselves or before their turns."""
        self._waiting = deque(task for task in self._waiting if task not in tasks)
        if self._alone in tasks:
            self._alone = None

    def may_begin(self, in_hand: int) -> bool:
        """Whether one waits, and nothing else of so many tasks in hand."""
        return 0 < len(self._waiting) == in_hand

    def take_next(self) -> "InferenceTask":
        """The one that has waited the longest; it is alone from now on."""
        self._alone = self._waiting[0]
        return self._waiting.popleft()
