"""The troubles as a table."""

from collections.abc import Sequence

from monitor.core.table import Cell, Column, Table, cell
from monitor.core.trouble import Trouble

COLUMNS = (
    Column("trouble", least=12, most=12, rank=0),
    Column("about", least=12, most=32, rank=1),
    Column("what and what to do", least=20, most=160, rank=2),
)

ALL_IS_WELL = "✓ Nothing needs a look."

_GLYPHS = {"bad": "✖", "warn": "▲"}


def trouble_table(troubles: Sequence[Trouble]) -> Table:
    """A row a trouble, worst first."""
    return Table(COLUMNS, tuple(map(_row, troubles)), ALL_IS_WELL, ids=tuple(each.about for each in troubles))


def _row(trouble: Trouble) -> tuple[Cell, ...]:
    kind = Cell(f"{_GLYPHS[trouble.severity]} {trouble.kind}", trouble.severity)
    return kind, cell(trouble.about), cell(trouble.text)
