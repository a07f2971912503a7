"""What shall be written into a file."""

from typing import Literal, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

Format = Literal["json", "csv", "svg"]


class ExportScreen(ModalScreen[Format | None]):
    """Asks for the format; nothing is changed by any of them."""

    BINDINGS = [
        ("escape", "dismiss(None)", "Cancel"),
        ("right", "app.focus_next", "Next"),
        ("left", "app.focus_previous", "Previous"),
    ]

    def __init__(self, rows: int, folder: str) -> None:
        super().__init__()
        self._question = f"Export {rows:,} rows as they are shown, or the screen as a picture?\nFolder: {folder}"

    def compose(self) -> ComposeResult:
        with Vertical(id="confirm"):
            yield Static(Text(self._question))
            with Horizontal():
                for name in ("json", "csv", "svg"):
                    yield Button(name.upper(), id=name, compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(None if event.button.id == "cancel" else cast("Format", event.button.id))
