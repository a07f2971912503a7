"""Where the words of a filter are typed."""

from dataclasses import dataclass

from textual.message import Message
from textual.widgets import Input


class FilterBar(Input):
    """Takes all keys while it is open, so that no letter of a word is a command."""

    BINDINGS = [("escape", "close(False)", "Clear")]

    @dataclass
    class Closed(Message):
        """Someone has finished; the filter stays, or goes."""

        keeps: bool

    def __init__(self) -> None:
        super().__init__(
            placeholder='words, -not this, "some words", state:late, -model:chat; ⏎ keeps, esc clears', compact=True
        )
        self.display = False

    def open(self) -> None:
        """Shows itself and takes the keys."""
        self.display = True
        # Unlike focus(), which waits its turn: letters that are typed fast would be commands still.
        self.screen.set_focus(self)

    def action_close(self, keeps: bool) -> None:
        """Goes away."""
        self.display = False
        if not keeps:
            self.value = ""
        self.post_message(self.Closed(keeps))

    async def action_submit(self) -> None:
        """Enter: the filter stays."""
        self.action_close(True)
