"""A scrolling table that draws only the lines one sees.

Textual's DataTable draws every visible cell again when one of them changes, reads markup in strings, and loses its
place when rows come and go.
"""

from rich.style import Style
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from monitor.core.formatting import format_count
from monitor.core.table import GAP, Cell, Layout, Table
from monitor.tui.tones import TONE_CLASSES, draw_cells

_DIM = Style(dim=True)


class LineTable(ScrollView, can_focus=True):
    """Shows a `Table` under a header that stays in place."""

    COMPONENT_CLASSES = set(TONE_CLASSES)

    #: Set while the rows are not up to date.
    dimmed: reactive[bool] = reactive(False)

    def __init__(self, title: str, table: Table, *, id: str) -> None:
        super().__init__(id=id)
        self._title = title
        self._table = table
        self._layout: Layout | None = None

    def on_mount(self) -> None:
        self.show(self._table)

    def show(self, table: Table) -> None:
        """Draws another table in place of the last one."""
        self._table, self._layout = table, None
        self.border_title = f"{self._title} ({format_count(len(table.rows))})" if table.rows else self._title
        self.virtual_size = Size(0, 1 + max(1, len(table.rows)))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line `y` of the widget, as Textual's Line API asks for it."""
        cells = self._header() if y == 0 else self._row(y - 1 + self.scroll_offset.y)
        strip = draw_cells(self, cells).adjust_cell_length(self._room, self.rich_style)
        return strip.apply_style(_DIM) if self.dimmed else strip

    @property
    def _room(self) -> int:
        return self.scrollable_content_region.width

    def _header(self) -> tuple[Cell, ...]:
        return self._arranged().header if self._table.rows else ()

    def _row(self, index: int) -> tuple[Cell, ...]:
        if index < len(self._table.rows):
            return self._arranged().place(self._table.rows[index])
        return (Cell(" " * GAP + self._table.empty, "faint"),) if index == 0 else ()

    def _arranged(self) -> Layout:
        if self._layout is None or self._layout.room != self._room:
            self._layout = Layout(self._table, self._room)
        return self._layout
