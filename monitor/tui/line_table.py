"""A scrolling table that draws only the lines one sees, with a cursor that stays on what it is about.

Textual's DataTable draws every visible cell again when one of them changes, reads markup in strings, and loses its
place when rows come and go.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from textual.events import Click
from textual.geometry import Size
from textual.message import Message

from monitor.core.formatting import format_count
from monitor.core.selection import Selection
from monitor.core.snapshot import Snapshot
from monitor.core.table import GAP, Cell, Layout, Table
from monitor.core.view import View
from monitor.tui.keys import bindings
from monitor.tui.line_view import Line, LineView
from monitor.tui.messages import CopyWanted

#: What stands before a row that is marked.
MARK = "■"


class LineTable(LineView, can_focus=True):
    """Shows the `Table` that `make` makes of a snapshot, under a header that stays in place."""

    BINDINGS = bindings("table")

    #: The places of the table of keys that it has.
    key_places: tuple[str, ...] = ("table",)

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
        self._title, self._title_shown, self._make = title, "", make
        self._snapshot, self._view = Snapshot(), View()
        self._table = make(self._snapshot, self._view)
        self._layout: Layout | None = None
        self._selection = Selection()

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
        # The rows' new number counts for scrolling from the next layout on.
        self.call_after_refresh(self._scroll_to_cursor)

    @property
    def fields(self) -> tuple[str, ...]:
        """What its filter can be about."""
        return self._table.fields

    @property
    def cursor_id(self) -> str | None:
        """What the row under the cursor is about."""
        return self._selection.cursor_id

    @property
    def chosen_ids(self) -> tuple[str, ...]:
        """The marked rows that are shown, in their order, else the one under the cursor."""
        return self._selection.chosen_ids

    @property
    def hidden_marks(self) -> int:
        """How many marked rows the filter hides."""
        return self._selection.hidden_marks

    @property
    def is_cut(self) -> bool:
        """Whether the row under the cursor has more to say than there is room for."""
        return bool(self._table.rows) and self._arranged().cuts(self._table.rows[self._selection.place])

    def _remake(self) -> None:
        self._table, self._layout = self._make(self._snapshot, self._view), None
        self._selection.follow(self._table.ids, self._all_ids)
        self._show_title(self._titled())
        self.virtual_size = Size(0, 1 + max(1, len(self._table.rows)))
        self.refresh_changed()

    def _show_title(self, title: str) -> None:
        if title != self._title_shown:
            self.border_title = self._title_shown = title

    def _all_ids(self) -> Sequence[str]:
        """Those of the hidden rows too."""
        return self._make(self._snapshot, replace(self._view, words="", trouble_only=False)).ids

    def _titled(self) -> str:
        words = [f"{self._title}{self._counted()}"]
        if self._table.note:
            words.append(self._table.note)
        if self._view.words:
            words.append(f"/{self._view.words}".replace("[", "(").replace("]", ")"))
        if self._view.sort:
            words.append(f"by {self._view.sort}{' turned' if self._view.is_reversed else ''}")
        if self._view.trouble_only:
            words.append("trouble only")
        if marks := self._selection.marks:
            hidden = f", {self.hidden_marks} hidden" if self.hidden_marks else ""
            words.append(f"{MARK} {len(marks)} marked{hidden}")
        return "  ".join(words)

    def _counted(self) -> str:
        """How many rows there are, as the title says it."""
        return f" ({format_count(len(self._table.rows))})" if self._table.rows else ""

    def action_move(self, rows: int) -> None:
        """Moves the cursor and scrolls to it."""
        self._selection.move(rows)
        self._scroll_to_cursor()
        self.post_message(self.CursorMoved(self.id or ""))

    def _scroll_to_cursor(self) -> None:
        height, place = max(1, self.scrollable_content_region.height - 1), self._selection.place
        wanted = min(max(self.scroll_offset.y, place - height + 1), place)
        self.scroll_to(y=wanted, animate=False, force=True)
        self.refresh()

    def on_resize(self) -> None:
        """The row that somebody has chosen stays to be seen when others take room."""
        if self._selection.place:
            self._scroll_to_cursor()

    def on_click(self, event: Click) -> None:
        """A row takes the cursor, and opens at the second click; a column's title sorts by it, and turns the order."""
        if (place := event.get_content_offset(self)) is None:
            return
        if place.y == 0:
            self._sort_by(self._arranged().title_at(place.x))
        elif (row := place.y - 1 + self.scroll_offset.y) < len(self._table.rows):
            self.action_move(row - self._selection.place)
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
        self._selection.mark_and_move()
        self._scroll_to_cursor()
        self._remake()

    def action_export(self) -> None:
        """Asks for its rows, or the screen, in a file."""
        self.post_message(self.ExportWanted(self.id or "table", self._table))

    def action_copy(self) -> None:
        """Asks for the id under the cursor in the clipboard."""
        if self.cursor_id is not None:
            self.post_message(CopyWanted(self._table.name_of(self.cursor_id)))

    def choose(self, row_id: str) -> None:
        """Puts the cursor on a row, if it is shown."""
        if row_id in self._table.ids:
            self.action_move(self._table.ids.index(row_id) - self._selection.place)

    def action_open(self) -> None:
        """Asks for more of the row under the cursor."""
        if self.cursor_id is not None:
            self.post_message(self.Opened(self.id or "", self.cursor_id))

    def line_at(self, y: int) -> Line:
        """The header, or a row."""
        if y == 0:
            return Line(self._arranged().header if self._table.rows else ())
        index = y - 1 + self.scroll_offset.y
        has_cursor = self.has_focus and index == self._selection.place and bool(self._table.rows)
        return Line(self._row(index), has_cursor)

    def _row(self, index: int) -> tuple[Cell, ...]:
        if index < len(self._table.rows):
            cells = self._arranged().row(index)
            marks = self._selection.marks
            is_marked = bool(marks) and self._table.ids[index] in marks
            return (Cell(MARK, "wait"), cells[0]._replace(text=cells[0].text[1:]), *cells[1:]) if is_marked else cells
        return (Cell(" " * GAP + self._table.empty, "faint"),) if index == 0 else ()

    def _arranged(self) -> Layout:
        if self._layout is None or self._layout.room != self.room:
            self._layout = Layout(self._table, self.room)
        return self._layout
