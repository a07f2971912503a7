"""What happened last, and what operators did, as a table."""

from dataclasses import dataclass
from datetime import datetime

from monitor.core.audit import AuditEvent
from monitor.core.event import Event, EventKind
from monitor.core.formatting import format_count
from monitor.core.snapshot import Snapshot
from monitor.core.table import Cell, Column, Table, Tone, cell
from monitor.core.view import NOTHING_CHOSEN, Rows, View, empty_text, matches
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


def event_table(snapshot: Snapshot, view: View = NOTHING_CHOSEN) -> Table:
    """A row an event, the newest first."""
    told = [*map(_of_event, snapshot.events), *map(_of_operator, snapshot.audit)]
    shown = [each for each in told if _is_shown(each, view)]
    shown.sort(key=lambda each: -each.at)
    return Table(COLUMNS, Rows(shown, _row), empty_text(snapshot, view, NO_EVENTS), tuple(map(_id, shown)))


def _of_event(event: Event) -> _Told:
    glyph, tone = _KINDS[event.kind]
    return _Told(event.at, Cell(f"{glyph} {event.kind}", tone), _short(event.about), event.more)


def _of_operator(event: AuditEvent) -> _Told:
    what = cell(f"{_OPERATOR} {event.what}", "wait")
    return _Told(event.at, what, _short(event.about), f"{format_count(event.count)}, {event.who}")


def _short(about: str) -> str:
    return about.removeprefix(f"{keys.INFERENCE_QUEUE}.")


def _is_shown(told: _Told, view: View) -> bool:
    is_wanted = told.what.tone in _TROUBLE or not view.trouble_only
    return is_wanted and matches(f"{told.what.text} {told.about} {told.more}", view.words)


def _id(told: _Told) -> str:
    return f"{told.at} {told.what.text} {told.about} {told.more}"


def _row(told: _Told) -> tuple[Cell, ...]:
    at = f"{datetime.fromtimestamp(told.at).astimezone():%H:%M:%S}"
    return Cell(at, "faint"), told.what, cell(told.about), cell(told.more, "faint")
