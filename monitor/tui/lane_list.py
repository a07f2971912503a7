"""A table of lanes or queues, which can be paused and emptied."""

from dataclasses import dataclass

from textual.message import Message

from monitor.core.lane_plans import Wish
from monitor.tui.keys import bindings
from monitor.tui.line_table import LineTable


class LaneList(LineTable):
    """Asks its screen to change the lane or queue under the cursor."""

    BINDINGS = bindings("lanes")
    key_places = ("table", "lanes")

    @dataclass
    class Wanted(Message):
        """Someone wants a lane or a queue changed."""

        wish: Wish
        name: str

    def action_wish(self, wish: Wish) -> None:
        """Asks for it."""
        if self.cursor_id is not None:
            self.post_message(self.Wanted(wish, self.cursor_id))
