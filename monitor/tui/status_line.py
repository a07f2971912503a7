"""The first line of the screen: what is watched, how it does, how fresh that is."""

from collections.abc import Iterator
from datetime import datetime

from textual.reactive import reactive
from textual.strip import Strip

from monitor.core.table import GAP, Cell, cell
from monitor.tui.tones import ToneWidget


class StatusLine(ToneWidget):
    """Summary and address on the left, as many words as there is room for; freshness and time on the right."""

    summary: reactive[tuple[Cell, ...]] = reactive(())
    at: reactive[float | None] = reactive(None)
    freshness: reactive[Cell] = reactive(Cell(""))

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = cell(address, "faint")

    def render_line(self, y: int) -> Strip:
        """The whole widget: it is one line high."""
        right = self.draw_cells((*_spaced(self.freshness), *_spaced(_time(self.at)), Cell(" " * GAP)))
        room = self.size.width - right.cell_length
        words = (Cell("CLUSTER", "title"), *self.summary, self._address)
        while len(words) > 1 and self.draw_cells(_spread(words)).cell_length > room:
            words = words[:-1]
        return Strip.join([self.draw_line(_spread(words), room), right])


def _spread(words: tuple[Cell, ...]) -> Iterator[Cell]:
    return (piece for word in words for piece in _spaced(word))


def _spaced(word: Cell) -> tuple[Cell, Cell]:
    return Cell(" " * GAP), word


def _time(at: float | None) -> Cell:
    return Cell("" if at is None else f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S}")
