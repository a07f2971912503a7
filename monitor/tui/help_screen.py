"""What the keys do and what the states mean."""

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from monitor.tui.keys import key_help

STATES = """\
● busy     has tasks in hand
○ idle     ready for tasks
◐ loading  brings a model into memory, shown with a +
◐ starting, ‖ draining
⊘ quarantined: different tasks failed on its device
◌ standby  serves control jobs, has no device
◇ control  serves the cluster's own jobs
▲ late     has missed three beats
✖ lost     its record has expired
? unknown  its record cannot be read\
"""


class HelpScreen(ModalScreen[None]):
    """A box over the dashboard, which goes on below it; scrolls when the terminal is small."""

    BINDINGS = [("escape,question_mark", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(Text(f"{STATES}\n\n{key_help()}"))
