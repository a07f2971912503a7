"""The troubles as a table."""

from collections.abc import Sequence

from monitor.core.table import Cell, Column, Table, cell
from monitor.core.trouble import Trouble
from settings import keys

COLUMNS = (
    Column("trouble", least=12, most=12, rank=0),
    Column("about", least=9, most=26, rank=1),
    Column("what and what to do", least=20, most=160, rank=2),
)

ALL_IS_WELL = "✓ Nothing needs a look."

_GLYPHS = {"bad": "✖", "warn": "▲"}


def trouble_id(trouble: Trouble) -> str:
    """What tells a trouble from all others of one reading."""
    return f"{trouble.kind} {trouble.about}"


def trouble_table(troubles: Sequence[Trouble], empty: str = ALL_IS_WELL) -> Table:
    """A row a trouble, worst first."""
    names = tuple(trouble.about for trouble in troubles)
    return Table(COLUMNS, tuple(map(_row, troubles)), empty, tuple(map(trouble_id, troubles)), names=names)


def trouble_sentence(trouble: Trouble) -> Cell:
    """All that a trouble says, in one text; it repeats a row that has its tone, so it has none itself."""
    return cell(f"{_GLYPHS[trouble.severity]} {_about(trouble)}: {trouble.text}")


def _about(trouble: Trouble) -> str:
    return trouble.about.removeprefix(f"{keys.INFERENCE_QUEUE}.")


def _row(trouble: Trouble) -> tuple[Cell, ...]:
    kind = Cell(f"{_GLYPHS[trouble.severity]} {trouble.kind}", trouble.severity)
    return kind, cell(_about(trouble)), cell(trouble.text)
