"""The totals above the tables of the overview."""

from textual.reactive import reactive
from textual.strip import Strip

from monitor.core.snapshot import Snapshot
from monitor.core.totals import Totals, sum_up
from monitor.core.totals_text import Line, totals_lines
from monitor.tui.tones import DIM, ToneWidget


class TotalsPanel(ToneWidget):
    """As many of its lines as its height has room for; the style sheet says how high it is."""

    #: Set while the sums are not up to date.
    dimmed: reactive[bool] = reactive(False)

    def __init__(self) -> None:
        super().__init__(id="totals")
        self._snapshot, self._sums = Snapshot(), sum_up(Snapshot())
        self._lines: tuple[Line, ...] = ()

    def show(self, snapshot: Snapshot, sums: Totals) -> None:
        """Shows another reading and its sums."""
        self._snapshot, self._sums = snapshot, sums
        self._lines = totals_lines(snapshot, sums, self.size.width)
        self.refresh()

    def on_resize(self) -> None:
        """The lines are made for a width."""
        self.show(self._snapshot, self._sums)

    def render_line(self, y: int) -> Strip:
        """The line `y` of the widget, as Textual's Line API asks for it."""
        strip = self.draw_line(self._lines[y] if y < len(self._lines) else (), self.size.width)
        return strip.apply_style(DIM) if self.dimmed else strip
