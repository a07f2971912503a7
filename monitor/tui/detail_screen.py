"""One thing in full."""

from collections.abc import Callable

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from monitor.core.formatting import printable
from monitor.core.snapshot import Snapshot


class DetailScreen(ModalScreen[None]):
    """A text that is made anew of each reading; the arrows scroll it."""

    BINDINGS = [("escape,enter", "dismiss", "Close")]

    def __init__(self, title: str, make: Callable[[Snapshot], str], snapshot: Snapshot) -> None:
        super().__init__()
        self._make = make
        self._body = Static()
        self._scroll = VerticalScroll(self._body, id="detail")
        # The border's text is markup; a bracket of someone else's must not be.
        self._scroll.border_title = printable(title).replace("[", "(")
        self._scroll.border_subtitle = "esc closes"
        self.show_snapshot(snapshot)

    def compose(self) -> ComposeResult:
        yield self._scroll

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Makes the text anew."""
        self._body.update(Text(self._make(snapshot)))
