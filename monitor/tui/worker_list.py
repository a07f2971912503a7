"""The table of workers, which can be told what to do."""

from dataclasses import dataclass

from textual.message import Message

from monitor.core.worker_plans import Wish
from monitor.tui.keys import bindings
from monitor.tui.line_table import LineTable


class WorkerList(LineTable):
    """Asks its screen to tell the marked workers, or the one under the cursor, to do something."""

    BINDINGS = bindings("workers")
    key_places = ("table", "workers")

    @dataclass
    class Wanted(Message):
        """Someone wants these workers to do something."""

        wish: Wish
        worker_ids: tuple[str, ...]
        hidden_marks: int

    def action_wish(self, wish: Wish) -> None:
        """Asks for it."""
        if self.chosen_ids:
            self.post_message(self.Wanted(wish, self.chosen_ids, self.hidden_marks))
