"""The lanes as a table: what waits for each model and priority, those of one model together."""

from collections.abc import Callable
from typing import Any

from monitor.core.formatting import ABSENT, format_age
from monitor.core.queue_table import count_cell
from monitor.core.snapshot import LaneView, Snapshot
from monitor.core.spread import Spread, format_percentiles
from monitor.core.table import Cell, Column, Table, cell
from monitor.core.view import NOTHING_CHOSEN, Rows, View, arrange, empty_text, with_troubles
from settings.lane_names import PRIORITIES

COLUMNS: tuple[Column, ...] = (
    Column("queue", least=10, most=24, rank=2),
    Column("model", least=16, most=60, rank=0),
    Column("priority", least=8, most=8, rank=1),
    Column("ready", least=6, most=12, rank=3, right=True),
    Column("running", least=7, most=12, rank=5, right=True),
    Column("delayed", least=7, most=12, rank=7, right=True),
    Column("dead", least=4, most=12, rank=4, right=True),
    Column("oldest", least=6, most=6, rank=6, right=True),
    Column("per min", least=7, most=9, rank=8, right=True),
)

#: The last of the table.
WAITS = Column("waits p50/p95 (n)", least=17, most=24, rank=9, right=True)

#: Shown while any lane is paused.
STATE = Column("state", least=8, most=8, rank=2)

PAUSED = Cell("‖ paused", "wait")

#: What the lanes can be sorted by; the first is their own order.
ORDERS: dict[str, Callable[[LaneView], Any]] = {
    "model": lambda lane: (lane.queue, lane.model or "", PRIORITIES.index(lane.priority)),
    "ready": lambda lane: (-lane.ready, lane.name),
    "oldest": lambda lane: (-(lane.oldest_seconds or 0.0), lane.name),
    "dead": lambda lane: (-lane.dead, lane.name),
}

#: What the words of a filter can be about.
FIELDS: dict[str, Callable[[LaneView], str]] = {
    "state": lambda lane: PAUSED.text if lane.is_paused else "",
    "queue": lambda lane: lane.queue,
    "model": lambda lane: lane.model or "",
    "priority": lambda lane: lane.priority,
    "lane": lambda lane: lane.name,
}


def lane_table(snapshot: Snapshot, view: View = NOTHING_CHOSEN) -> Table:
    """A row a list of messages."""
    shown = (lane for lane in snapshot.lanes if view.shows(lane.name))
    fields = with_troubles(FIELDS, view, lambda lane: lane.name)
    lanes = arrange(shown, view, fields, ORDERS)
    growth, waits = snapshot.trends.growth_per_minute, snapshot.trends.waits.waited_in

    def row(lane: LaneView) -> tuple[Cell, ...]:
        return *lane_row(lane, growth.get(lane.name)), _waits(waits.get(lane.name))

    columns, rows = (*COLUMNS, WAITS), Rows(lanes, row)
    if any(lane.is_paused for lane in snapshot.lanes):
        columns, rows = (STATE, *columns), Rows(lanes, lambda lane: (_state(lane), *row(lane)))
    empty, ids = empty_text(snapshot, view, "No queues."), tuple(lane.name for lane in lanes)
    return Table(columns, rows, empty, ids, tuple(ORDERS), tuple(fields))


def _state(lane: LaneView) -> Cell:
    return PAUSED if lane.is_paused else Cell(ABSENT, "faint")


def _waits(spread: Spread | None) -> Cell:
    return Cell(format_percentiles(spread)) if spread else Cell(ABSENT, "faint")


def lane_row(lane: LaneView, growth: float | None) -> tuple[Cell, ...]:
    """The cells of `COLUMNS`."""
    return (
        cell(lane.queue),
        cell(lane.model) if lane.model else Cell("(any)", "faint"),
        Cell(lane.priority),
        count_cell(lane.ready, "plain"),
        count_cell(lane.running, "busy"),
        count_cell(lane.delayed, "wait"),
        count_cell(lane.dead, "bad"),
        Cell(ABSENT if lane.oldest_seconds is None else format_age(lane.oldest_seconds)),
        Cell(f"{growth:+,.0f}", "warn" if growth > 0 else "good") if growth else Cell(ABSENT, "faint"),
    )
