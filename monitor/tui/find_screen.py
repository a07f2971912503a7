"""Where the id of a task is typed or pasted."""

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static


class FindScreen(ModalScreen[str]):
    """Gives the id, or nothing when it is left with escape."""

    BINDINGS = [("escape", "dismiss('')", "Close")]

    def compose(self) -> ComposeResult:
        with Vertical(id="find"):
            yield Static(Text("The id of a task, as its sender knows it:"))
            yield Input(placeholder="b4692f0c-5351-434c-ace1-ca6cb17aed66", compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(event.value.strip())
