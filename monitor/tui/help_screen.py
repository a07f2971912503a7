"""What the keys do and what the states mean."""

from rich.text import Text
from textual.app import ComposeResult
from textual.screen import ModalScreen
from textual.widgets import Static

HELP = """\
q        quit
p        pause, and go on
↑ ↓      scroll; tab goes to the other table
?        this help; esc closes it

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
    """A box over the dashboard, which goes on below it."""

    BINDINGS = [("escape,question_mark", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        yield Static(Text(HELP), id="help")
