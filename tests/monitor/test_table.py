import pytest

from monitor.core.formatting import cell_width
from monitor.core.table import Column, Layout, Table, cell

COLUMNS = (
    Column("name", least=6, most=20, rank=0),
    Column("extra", least=6, most=20, rank=2),
    Column("count", least=5, most=5, rank=1, right=True),
)
TABLE = Table(COLUMNS, ((cell("worker-with-a-name"), cell("more"), cell("12")),))


def lines(room: int) -> list[str]:
    layout = Layout(TABLE, room)
    return ["".join(piece.text for piece in row) for row in (layout.header, layout.place(TABLE.rows[0]))]


def test_a_column_is_as_wide_as_its_content() -> None:
    assert lines(80) == [
        "  name                extra   count",
        "  worker-with-a-name  more       12",
    ]


def test_where_room_is_short_the_least_important_column_leaves_first() -> None:
    assert lines(16) == [
        "  name     count",
        "  worker…     12",
    ]


@pytest.mark.parametrize("room", range(60))
def test_no_line_is_wider_than_its_room_and_all_are_equally_wide(room: int) -> None:
    header, row = map(cell_width, lines(room))

    assert header == row <= room
