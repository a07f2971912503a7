"""The lanes as a table: what waits for each model and priority, those of one model together."""

from collections.abc import Callable, Container, Iterator
from typing import Any

from monitor.core.formatting import ABSENT, format_age
from monitor.core.queue_table import count_cell
from monitor.core.snapshot import LaneView, Snapshot
from monitor.core.spread import Spread, format_percentiles
from monitor.core.table import Cell, Column, Table, cell
from monitor.core.trouble import troubles_of_lane, unserved_queues
from monitor.core.view import NOTHING_CHOSEN, Rows, View, arrange, empty_text
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
    Column("waits p50/p95 (n)", least=17, most=24, rank=9, right=True),
)

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


def lane_table(snapshot: Snapshot, view: View = NOTHING_CHOSEN) -> Table:
    """A row a list of messages."""
    growth, unserved = snapshot.trends.growth_per_minute, unserved_queues(snapshot)

    def kinds(lane: LaneView) -> str:
        return " ".join(_kinds(lane, growth.get(lane.name, 0.0), unserved))

    shown = filter(kinds, snapshot.lanes) if view.trouble_only else snapshot.lanes
    lanes = arrange(shown, view, lambda lane: f"{lane.name} {kinds(lane)}", ORDERS)
    waits = snapshot.trends.waits.waited_in

    def row(lane: LaneView) -> tuple[Cell, ...]:
        return _row(lane, growth.get(lane.name), waits.get(lane.name))

    columns, rows = COLUMNS, Rows(lanes, row)
    if any(lane.is_paused for lane in snapshot.lanes):
        columns, rows = (STATE, *COLUMNS), Rows(lanes, lambda lane: (_state(lane), *row(lane)))
    return Table(columns, rows, empty_text(snapshot, view, "No queues."), tuple(x.name for x in lanes), tuple(ORDERS))


def _kinds(lane: LaneView, growth: float, unserved: Container[str]) -> Iterator[str]:
    """The kinds of trouble that a lane is part of."""
    yield from (trouble.kind for trouble in troubles_of_lane(lane, growth))
    if lane.is_paused:
        yield "paused"
    if lane.ready and lane.queue in unserved:
        yield "unserved"


def _state(lane: LaneView) -> Cell:
    return PAUSED if lane.is_paused else Cell(ABSENT, "faint")


def _row(lane: LaneView, growth: float | None, waits: Spread | None) -> tuple[Cell, ...]:
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
        Cell(format_percentiles(waits)) if waits else Cell(ABSENT, "faint"),
    )
