"""One task in full, read when it is opened."""

from dataclasses import dataclass

from textual.message import Message

from monitor.core.snapshot import Snapshot
from monitor.tui.detail_screen import DetailScreen
from monitor.tui.keys import bindings
from settings.sought_task import SoughtTask

LOOKING = "Looking for it."


class TaskScreen(DetailScreen):
    """Asks for the task's story, and shows it; it is not part of the readings, so it is asked for again by a key."""

    BINDINGS = bindings("task")

    @dataclass
    class StoryWanted(Message):
        """Somebody wants to know what became of a task."""

        screen: "TaskScreen"
        task: SoughtTask

    def __init__(self, task: SoughtTask) -> None:
        self._sought, self._story = task, LOOKING
        super().__init__(task.message_id, lambda *_: self._story, Snapshot())
        self._scroll.border_subtitle = "r reads anew, esc closes"

    def on_mount(self) -> None:
        self.action_ask()

    def action_ask(self) -> None:
        """Asks for the story."""
        self.post_message(self.StoryWanted(self, self._sought))

    def tell(self, story: str) -> None:
        """Shows the story."""
        self._story = story
        self.show_snapshot(Snapshot())
