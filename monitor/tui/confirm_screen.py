"""A question before something is changed."""

from textwrap import fill

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, Static

from monitor.core.formatting import printable
from monitor.core.plan import Plan

#: The longest line of a question, so that 80 columns show all of it.
MOST_COLUMNS = 70

#: The names that may be typed and are shown.
MOST_NAMES = 6


class ConfirmScreen(ModalScreen[str | None]):
    """Says what would happen; Cancel is what enter and escape choose.

    Its result is the text that was typed, an empty one where none was asked for, or None for Cancel.
    """

    BINDINGS = [("escape", "dismiss(None)", "Cancel"), ("left,right", "app.focus_next", "Other button")]

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        # What could not be typed is not offered, nor would it be safe to show.
        self._names = [name for name in plan.asks_for or () if name == printable(name)]
        suggester = SuggestFromList(self._names, case_sensitive=False)
        self._input = Input(placeholder=self._hint, suggester=suggester, compact=True)
        self._asks = plan.must_type is not None or plan.asks_for is not None

    def compose(self) -> ComposeResult:
        with Vertical(id="confirm"):
            lines = [*self._plan.question.splitlines(), *self._offered()]
            yield Static(Text("\n".join(fill(line, MOST_COLUMNS, break_on_hyphens=False) for line in lines)))
            if self._asks:
                yield self._input
            with Horizontal():
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(self._plan.verb, id="go", variant="warning", compact=True)

    def on_mount(self) -> None:
        (self._input if self._asks else self.query_one("#cancel")).focus()

    @on(Button.Pressed)
    def _choose(self, event: Button.Pressed) -> None:
        if event.button.id == "go":
            self._go_on()
        else:
            self.dismiss(None)

    @on(Input.Submitted)
    def _end_typing(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._go_on()
        else:
            self.dismiss(None)

    @property
    def _hint(self) -> str:
        return "name of the model" if self._plan.must_type is None else "type the name; enter without it cancels"

    def _offered(self) -> list[str]:
        if self._plan.must_type is not None:
            return [f"Type {self._plan.must_type} to go on:"]
        if not self._names:
            return []
        shown = ", ".join(self._names[:MOST_NAMES])
        return [f"Such as {shown}{', …' if len(self._names) > MOST_NAMES else ''}"]

    def _go_on(self) -> None:
        typed = self._input.value.strip()
        if self._plan.must_type is not None and typed != self._plan.must_type:
            self.notify(f"That is not {self._plan.must_type}: nothing has been changed.", markup=False)
        elif self._plan.asks_for is not None and not typed:
            self.notify("Type the name of a model.", markup=False)
        else:
            self.dismiss(typed)
