"""How cells with a tone are drawn; `app.tcss` gives each tone its colours."""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import get_args

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from monitor.core.table import Cell, Tone

#: How what is not up to date is drawn.
DIM = Style(dim=True)

_TONE = attrgetter("tone")


class ToneWidget(Widget):
    """Draws cells in the style of their tones, which the style sheet tells once and not for each frame."""

    COMPONENT_CLASSES = {f"tone-{tone}" for tone in get_args(Tone)}

    _tones: dict[str, Style]

    def notify_style_update(self) -> None:
        """Forgets the styles when Textual has others, which it has before it first draws."""
        super().notify_style_update()
        self._tones = {}

    def draw_cells(self, cells: Iterable[Cell]) -> Strip:
        """The cells one after the other, those of one tone in one segment: a frame costs by the number of segments.

        Segments are drawn as they are: nothing in them is read as markup.
        """
        return Strip(
            Segment("".join(cell.text for cell in run), self._style(tone)) for tone, run in groupby(cells, key=_TONE)
        )

    def draw_line(self, cells: Iterable[Cell], width: int) -> Strip:
        """The same as a line of so many cells; what is left of it looks like plain text."""
        return self.draw_cells(cells).adjust_cell_length(width, self._style("plain"))

    def _style(self, tone: Tone) -> Style:
        if tone not in self._tones:
            self._tones[tone] = self.get_component_rich_style(f"tone-{tone}")
        return self._tones[tone]
