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

#: The component classes of a widget that draws cells.
TONE_CLASSES = frozenset(f"tone-{tone}" for tone in get_args(Tone))

_TONE = attrgetter("tone")


def draw_cells(widget: Widget, cells: Iterable[Cell]) -> Strip:
    """The cells one after the other, those of one tone in one segment: what a frame costs is the number of segments.

    Segments are drawn as they are: nothing in them is read as markup.
    """
    return Strip(
        Segment("".join(cell.text for cell in run), widget.get_component_rich_style(f"tone-{tone}"))
        for tone, run in groupby(cells, key=_TONE)
    )


def draw_line(widget: Widget, cells: Iterable[Cell], width: int) -> Strip:
    """The same as a line of so many cells; what is left of it looks like the widget's plain text."""
    return draw_cells(widget, cells).adjust_cell_length(width, widget.get_component_rich_style("tone-plain"))
