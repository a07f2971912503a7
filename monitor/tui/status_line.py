"""The first line of the screen: what is watched, how it does, how fresh that is."""

from datetime import datetime

from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from monitor.core.snapshot import Snapshot
from monitor.core.summary import summarise
from monitor.core.table import GAP, Cell, cell
from monitor.tui.tones import TONE_CLASSES, draw_cells


class StatusLine(Widget):
    """Summary and address on the left, as many words as there is room for; freshness and time on the right."""

    COMPONENT_CLASSES = set(TONE_CLASSES)

    snapshot: reactive[Snapshot] = reactive(Snapshot())
    freshness: reactive[Cell] = reactive(Cell(""))

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = cell(address, "faint")

    def render_line(self, y: int) -> Strip:
        """The whole widget: it is one line high."""
        right = draw_cells(self, (*_spaced(self.freshness), *_spaced(_time(self.snapshot)), Cell(" " * GAP)))
        room = self.size.width - right.cell_length
        words = (Cell("CLUSTER", "title"), *summarise(self.snapshot), self._address)
        while len(words) > 1 and self._draw(words).cell_length > room:
            words = words[:-1]
        return Strip.join([self._draw(words).adjust_cell_length(room, self.rich_style), right])

    def _draw(self, words: tuple[Cell, ...]) -> Strip:
        return draw_cells(self, (piece for word in words for piece in _spaced(word)))


def _spaced(word: Cell) -> tuple[Cell, Cell]:
    return Cell(" " * GAP), word


def _time(snapshot: Snapshot) -> Cell:
    if snapshot.at is None:
        return Cell("")
    return Cell(f"{datetime.fromtimestamp(snapshot.at).astimezone():%H:%M:%S}")
