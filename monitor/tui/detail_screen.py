"""One thing in full."""

from collections.abc import Callable

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from monitor.core.formatting import printable
from monitor.core.snapshot import Snapshot
from monitor.tui.keys import bindings
from monitor.tui.messages import CopyWanted


class DetailScreen(ModalScreen[None]):
    """A text that is made anew of each reading; the arrows scroll it, and a key copies what it is about."""

    BINDINGS = bindings("detail")

    def __init__(
        self, title: str, make: Callable[[Snapshot, int], str], snapshot: Snapshot, *, about: str | None = None
    ) -> None:
        super().__init__()
        self._about = title if about is None else about
        self._body = _Body(make, snapshot)
        self._scroll = VerticalScroll(self._body, id="detail")
        # The border's text is markup; a bracket of someone else's must not be.
        self._scroll.border_title = printable(title).replace("[", "(")
        self._scroll.border_subtitle = "esc closes"

    def compose(self) -> ComposeResult:
        yield self._scroll
        yield Footer(show_command_palette=False)

    def action_copy(self) -> None:
        """Asks for the id of what it is about in the clipboard."""
        self.post_message(CopyWanted(self._about))

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Makes the text anew."""
        self._body.show_snapshot(snapshot)


class _Body(Static):
    """The text, made for as many columns as there are."""

    def __init__(self, make: Callable[[Snapshot, int], str], snapshot: Snapshot) -> None:
        super().__init__()
        self._make, self._snapshot = make, snapshot

    def on_resize(self) -> None:
        self.show_snapshot(self._snapshot)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        if width := self.size.width:
            self.update(Text(self._make(snapshot, width)))
