"""A scrolling table that draws only the lines one sees, with a cursor that stays on what it is about.

Textual's DataTable draws every visible cell again when one of them changes, reads markup in strings, and loses its
place when rows come and go.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from rich.style import Style
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from monitor.core.formatting import format_count
from monitor.core.snapshot import Snapshot
from monitor.core.table import GAP, Cell, Layout, Table
from monitor.core.view import View
from monitor.tui.keys import bindings
from monitor.tui.tones import DIM, TONE_CLASSES, draw_cells

_CURSOR = Style(reverse=True)

#: What stands before a row that is marked.
MARK = "■"


class LineTable(ScrollView, can_focus=True):
    """Shows the `Table` that `make` makes of a snapshot, under a header that stays in place."""

    COMPONENT_CLASSES = set(TONE_CLASSES)
    BINDINGS = bindings("table")

    #: The places of the table of keys that it has.
    key_places: tuple[str, ...] = ("table",)

    #: Set while the rows are not up to date.
    dimmed: reactive[bool] = reactive(False)

    @dataclass
    class CursorMoved(Message):
        """The cursor is on another row."""

        table_id: str

    @dataclass
    class Opened(Message):
        """Someone wants to see more of a row."""

        table_id: str
        row_id: str

    @dataclass
    class ExportWanted(Message):
        """Someone wants what it shows in a file."""

        table_id: str
        table: Table

    def __init__(self, title: str, make: Callable[[Snapshot, View], Table], *, id: str) -> None:
        super().__init__(id=id)
        self._title, self._make = title, make
        self._snapshot, self._view = Snapshot(), View()
        self._table = make(self._snapshot, self._view)
        self._layout: Layout | None = None
        self._cursor = 0
        self._cursor_id: str | None = None
        self.marks: frozenset[str] = frozenset()

    def on_mount(self) -> None:
        self._remake()

    def show(self, snapshot: Snapshot) -> None:
        """Shows another reading in place of the last one."""
        self._snapshot = snapshot
        self._remake()

    @property
    def view(self) -> View:
        """The filter and the order."""
        return self._view

    @view.setter
    def view(self, view: View) -> None:
        self._view = view
        self._remake()

    @property
    def cursor_id(self) -> str | None:
        """What the row under the cursor is about."""
        return self._table.ids[self._cursor] if self._cursor < len(self._table.ids) else None

    @property
    def chosen_ids(self) -> tuple[str, ...]:
        """The marked rows, in their order, else the one under the cursor."""
        marked = tuple(row_id for row_id in self._table.ids if row_id in self.marks) if self.marks else ()
        return marked or ((self.cursor_id,) if self.cursor_id is not None else ())

    @property
    def is_cut(self) -> bool:
        """Whether the row under the cursor has more to say than there is room for."""
        return self._cursor < len(self._table.rows) and self._arranged().cuts(self._table.rows[self._cursor])

    def _remake(self) -> None:
        self._table, self._layout = self._make(self._snapshot, self._view), None
        ids = self._table.ids
        if self._cursor_id in ids:
            self._cursor = ids.index(self._cursor_id)
        # A row that has gone leaves the cursor at its place, which is its neighbour's now.
        self._cursor = max(0, min(self._cursor, len(ids) - 1))
        self._cursor_id = self._cursor_id and self.cursor_id
        self.marks &= frozenset(ids) if self.marks else self.marks
        self.border_title = self._titled()
        self.virtual_size = Size(0, 1 + max(1, len(self._table.rows)))
        self.refresh()

    def _titled(self) -> str:
        words = [f"{self._title} ({format_count(len(self._table.rows))})" if self._table.rows else self._title]
        if self._view.words:
            words.append(f"/{self._view.words}".replace("[", "(").replace("]", ")"))
        if self._view.sort:
            words.append(f"by {self._view.sort}{' turned' if self._view.is_reversed else ''}")
        if self._view.trouble_only:
            words.append("trouble only")
        if self.marks:
            words.append(f"{MARK} {len(self.marks)} marked")
        return "  ".join(words)

    def action_move(self, rows: int) -> None:
        """Moves the cursor and scrolls to it."""
        self._cursor = max(0, min(self._cursor + rows, len(self._table.rows) - 1))
        self._cursor_id = self.cursor_id
        self._keep_in_sight()
        self.refresh()
        self.post_message(self.CursorMoved(self.id or ""))

    def _keep_in_sight(self) -> None:
        height = max(1, self.scrollable_content_region.height - 1)
        top = self.scroll_offset.y
        wanted = min(max(top, self._cursor - height + 1), self._cursor)
        self.scroll_to(y=wanted, animate=False, force=True)

    def on_resize(self) -> None:
        """The row that somebody has chosen stays to be seen when others take room."""
        if self._cursor_id is not None:
            self._keep_in_sight()

    def on_click(self, event: Click) -> None:
        """A row takes the cursor, and opens at the second click; a column's title sorts by it, and turns the order."""
        if (place := event.get_content_offset(self)) is None:
            return
        if place.y == 0:
            self._sort_by(self._arranged().title_at(place.x))
        elif (row := place.y - 1 + self.scroll_offset.y) < len(self._table.rows):
            self.action_move(row - self._cursor)
            if event.chain == 2:
                self.action_open()

    def _sort_by(self, title: str | None) -> None:
        if title in self._table.orders:
            is_reversed = self._view.sort == title and not self._view.is_reversed
            self.view = replace(self._view, sort=title, is_reversed=is_reversed)

    def action_move_page(self, pages: int) -> None:
        """Moves the cursor by as many rows as there are on the screen."""
        self.action_move(pages * max(1, self.scrollable_content_region.height - 1))

    def action_sort(self) -> None:
        """Sorts by the next order of the table."""
        orders = self._table.orders
        if orders:
            place = orders.index(self._view.sort) + 1 if self._view.sort in orders else 1
            self.view = replace(self._view, sort=orders[place % len(orders)], is_reversed=False)

    def action_turn(self) -> None:
        """Turns the order round."""
        sort = self._view.sort or next(iter(self._table.orders), None)
        self.view = replace(self._view, sort=sort, is_reversed=not self._view.is_reversed)

    def action_mark(self) -> None:
        """Marks the row under the cursor, or takes its mark away, and goes on to the next."""
        if self.cursor_id is not None:
            self.marks ^= {self.cursor_id}
            self.action_move(1)
            self._remake()

    def action_export(self) -> None:
        """Asks for its rows, or the screen, in a file."""
        self.post_message(self.ExportWanted(self.id or "table", self._table))

    def choose(self, row_id: str) -> None:
        """Puts the cursor on a row, if it is shown."""
        if row_id in self._table.ids:
            self.action_move(self._table.ids.index(row_id) - self._cursor)

    def action_open(self) -> None:
        """Asks for more of the row under the cursor."""
        if self.cursor_id is not None:
            self.post_message(self.Opened(self.id or "", self.cursor_id))

    def render_line(self, y: int) -> Strip:
        """The line `y` of the widget, as Textual's Line API asks for it."""
        index = y - 1 + self.scroll_offset.y
        cells = self._header() if y == 0 else self._row(index)
        strip = draw_cells(self, cells).adjust_cell_length(self._room, self.rich_style)
        if y and self.has_focus and index == self._cursor and self._table.rows:
            strip = strip.apply_style(_CURSOR)
        return strip.apply_style(DIM) if self.dimmed else strip

    @property
    def _room(self) -> int:
        return self.scrollable_content_region.width

    def _header(self) -> tuple[Cell, ...]:
        return self._arranged().header if self._table.rows else ()

    def _row(self, index: int) -> tuple[Cell, ...]:
        if index < len(self._table.rows):
            cells = self._arranged().place(self._table.rows[index])
            is_marked = bool(self.marks) and self._table.ids[index] in self.marks
            return (Cell(MARK, "wait"), replace(cells[0], text=cells[0].text[1:]), *cells[1:]) if is_marked else cells
        return (Cell(" " * GAP + self._table.empty, "faint"),) if index == 0 else ()

    def _arranged(self) -> Layout:
        if self._layout is None or self._layout.room != self._room:
            self._layout = Layout(self._table, self._room)
        return self._layout
