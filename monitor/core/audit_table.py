"""What operators did last, as a table."""

from collections.abc import Callable
from datetime import datetime

from monitor.core.audit import AuditEvent
from monitor.core.formatting import format_count
from monitor.core.snapshot import Snapshot
from monitor.core.table import Cell, Column, Table, cell
from monitor.core.view import NOTHING_CHOSEN, Rows, View
from monitor.core.words import narrow

COLUMNS = (
    Column("at", least=8, most=8, rank=0),
    Column("what", least=8, most=14, rank=1),
    Column("number", least=6, most=9, rank=3, right=True),
    Column("about", least=16, most=80, rank=2),
    Column("who", least=12, most=40, rank=4),
)

#: What the words of a filter can be about.
FIELDS: dict[str, Callable[[AuditEvent], str]] = {
    "what": lambda event: event.what,
    "about": lambda event: event.about,
    "who": lambda event: event.who,
}


def audit_table(snapshot: Snapshot, view: View = NOTHING_CHOSEN) -> Table:
    """A row an event, the newest first."""
    events = list(narrow(snapshot.audit, view.words, FIELDS))
    ids, names = tuple(map(_id, events)), tuple(event.about for event in events)
    return Table(COLUMNS, Rows(events, _row), "Nothing has been done.", ids, fields=tuple(FIELDS), names=names)


def _id(event: AuditEvent) -> str:
    return f"{event.at} {event.what} {event.about}"


def _row(event: AuditEvent) -> tuple[Cell, ...]:
    return (
        Cell(f"{datetime.fromtimestamp(event.at).astimezone():%H:%M:%S}", "faint"),
        cell(event.what),
        Cell(format_count(event.count)),
        cell(event.about),
        cell(event.who, "faint"),
    )
