"""A table of toned cells, and its layout in a given width."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

from monitor.core.formatting import cell_width, fit, printable

#: What a cell wants to say besides its text; a terminal shows it as a colour.
Tone = Literal["plain", "faint", "title", "good", "busy", "wait", "warn", "bad"]

#: Cells between two columns.
GAP = 2

#: The rows that columns on a screen are made to fit.
MEASURED_ROWS = 60


class Cell(NamedTuple):
    """A text that is safe to show, and its tone."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Column:
    """A column between its least and its greatest width; a higher rank leaves earlier when there is no room."""

    title: str
    least: int
    most: int
    rank: int
    right: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of as many cells as there are columns, what to say when there are none, and what each row is about."""

    columns: tuple[Column, ...]
    rows: Sequence[tuple[Cell, ...]]
    empty: str = ""
    ids: Sequence[str] = ()
    orders: tuple[str, ...] = ()
    """What it can be sorted by."""
    fields: tuple[str, ...] = ()
    """What a filter can be about."""
    names: Sequence[str] = ()
    """What each row is called, where that is not its id."""
    note: str = ""
    """Something to know of its columns, beside its title."""

    def name_of(self, row_id: str) -> str:
        """What a row is called, for somebody who looks for it elsewhere."""
        return self.names[self.ids.index(row_id)] if self.names else row_id


def cell(text: str, tone: Tone = "plain") -> Cell:
    """A cell of any text, made harmless."""
    return Cell(printable(text), tone)


def table_lines(table: Table, room: int = sys.maxsize) -> Iterator[str]:
    """The table as text of so many columns: each is as wide as its content, as far as there is room."""
    layout = Layout(table, room + GAP, measured=sys.maxsize)
    for row in (layout.header, *map(layout.place, table.rows)):
        yield "".join(piece.text for piece in row)[GAP:].rstrip()


class Layout:
    """Places a table's columns in `room` cells: the important ones first, then each as wide as its content.

    The content is that of the first `measured` rows: to look at thousands at each reading would cost more than to draw.
    """

    def __init__(self, table: Table, room: int, measured: int = MEASURED_ROWS) -> None:
        self.room = room
        self._first = tuple(islice(table.rows, measured))
        self._table = table
        self._placed: dict[int, tuple[Cell, ...]] = {}
        self._widths = self._give_widths()

    @property
    def header(self) -> tuple[Cell, ...]:
        """The column titles."""
        return self.place(tuple(Cell(column.title, "title") for column in self._table.columns))

    def title_at(self, x: int) -> str | None:
        """The title of the column that a cell of the screen belongs to."""
        end = 0
        for index, width in self._widths.items():
            end += GAP + width
            if x < end:
                return self._table.columns[index].title
        return None

    def cuts(self, row: tuple[Cell, ...]) -> bool:
        """Whether some of the row's text has no room."""
        return any(cell_width(piece.text) > self._widths.get(index, 0) for index, piece in enumerate(row))

    def row(self, index: int) -> tuple[Cell, ...]:
        """A row of the table, placed."""
        if index not in self._placed:
            self._placed[index] = self.place(self._table.rows[index])
        return self._placed[index]

    def place(self, row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        """The row's cells in their final widths, with the gaps before them."""
        return tuple(self._pieces(row))

    def _pieces(self, row: tuple[Cell, ...]) -> Iterator[Cell]:
        for index, width in self._widths.items():
            yield Cell(" " * GAP + fit(row[index].text, width, right=self._table.columns[index].right), row[index].tone)

    def _give_widths(self) -> dict[int, int]:
        """The width of each column that has room, by its index."""
        widths: dict[int, int] = {}
        spare = self.room
        by_importance = sorted(range(len(self._table.columns)), key=lambda index: self._table.columns[index].rank)
        for index in by_importance:
            needed = GAP + self._table.columns[index].least
            if needed > spare:
                break
            widths[index] = self._table.columns[index].least
            spare -= needed
        for index, width in widths.items():
            wanted = min(self._natural_width(index) - width, spare)
            widths[index] += wanted
            spare -= wanted
        return dict(sorted(widths.items()))

    def _natural_width(self, index: int) -> int:
        column = self._table.columns[index]
        content = max((cell_width(row[index].text) for row in self._first), default=0)
        return max(column.least, min(column.most, content))
