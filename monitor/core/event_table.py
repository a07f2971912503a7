"""What happened last, and what operators did, as a table."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from monitor.core.audit import AuditEvent
from monitor.core.event import Event, EventKind
from monitor.core.formatting import format_count
from monitor.core.snapshot import Snapshot
from monitor.core.table import Cell, Column, Table, Tone, cell
from monitor.core.view import NOTHING_CHOSEN, Rows, View, empty_text
from monitor.core.words import narrow
from settings import keys

COLUMNS = (
    Column("at", least=8, most=8, rank=0),
    Column("what", least=8, most=14, rank=1),
    Column("about", least=16, most=80, rank=2),
    Column("more", least=12, most=50, rank=3),
)

NO_EVENTS = "Nothing has happened since the monitor looks."

#: The glyph and the tone of each kind; the words differ without them.
_KINDS: dict[EventKind, tuple[str, Tone]] = {
    "came": ("+", "good"),
    "left": ("-", "faint"),
    "late": ("▲", "warn"),
    "lost": ("✖", "bad"),
    "back": ("●", "good"),
    "quarantine": ("⊘", "bad"),
    "released": ("●", "good"),
    "loaded": ("+", "plain"),
    "unloaded": ("-", "faint"),
    "dead": ("✖", "bad"),
}

#: What an operator did begins with it.
_OPERATOR = "▶"

_TROUBLE = ("warn", "bad")


@dataclass(frozen=True)
class _Told:
    at: float
    what: Cell
    about: str
    more: str


#: What the words of a filter can be about.
FIELDS: dict[str, Callable[[_Told], str]] = {
    "what": lambda told: told.what.text,
    "about": lambda told: told.about,
    "more": lambda told: told.more,
}


def event_table(snapshot: Snapshot, view: View = NOTHING_CHOSEN) -> Table:
    """A row an event, the newest first."""
    told = [*map(_of_event, snapshot.events), *map(_of_operator, snapshot.audit)]
    wanted = (each for each in told if each.what.tone in _TROUBLE or not view.trouble_only)
    shown = sorted(narrow(wanted, view.words, FIELDS), key=lambda each: -each.at)
    empty, names = empty_text(snapshot, view, NO_EVENTS), tuple(each.about for each in shown)
    return Table(COLUMNS, Rows(shown, _row), empty, tuple(map(_id, shown)), fields=tuple(FIELDS), names=names)


def _of_event(event: Event) -> _Told:
    glyph, tone = _KINDS[event.kind]
    return _Told(event.at, Cell(f"{glyph} {event.kind}", tone), event.about, event.more)


def _of_operator(event: AuditEvent) -> _Told:
    what = cell(f"{_OPERATOR} {event.what}", "wait")
    return _Told(event.at, what, event.about, f"{format_count(event.count)}, {event.who}")


def _short(about: str) -> str:
    return about.removeprefix(f"{keys.INFERENCE_QUEUE}.")


def _id(told: _Told) -> str:
    return f"{told.at} {told.what.text} {told.about} {told.more}"


def _row(told: _Told) -> tuple[Cell, ...]:
    at = f"{datetime.fromtimestamp(told.at).astimezone():%H:%M:%S}"
    return Cell(at, "faint"), told.what, cell(_short(told.about)), cell(told.more, "faint")
