"""The queues as a table."""

from collections.abc import Callable
from typing import Any

from monitor.core.formatting import format_count
from monitor.core.snapshot import Snapshot
from monitor.core.table import Cell, Column, Table, Tone, cell
from monitor.core.view import NOTHING_CHOSEN, Rows, View, arrange, empty_text
from settings.records import QueueCounts

COLUMNS = (
    Column("queue", least=12, most=32, rank=0),
    Column("ready", least=7, most=12, rank=1, right=True),
    Column("running", least=7, most=12, rank=2, right=True),
    Column("delayed", least=7, most=12, rank=4, right=True),
    Column("dead", least=7, most=12, rank=3, right=True),
)


#: What the queues can be sorted by; the first is their own order.
ORDERS: dict[str, Callable[[QueueCounts], Any]] = {
    "queue": lambda queue: queue.queue,
    "ready": lambda queue: (-queue.ready, queue.queue),
    "dead": lambda queue: (-queue.dead, queue.queue),
}

#: What the words of a filter can be about.
FIELDS: dict[str, Callable[[QueueCounts], str]] = {"queue": lambda queue: queue.queue}


def queue_table(snapshot: Snapshot, view: View = NOTHING_CHOSEN) -> Table:
    """A row a queue, by name; a trouble of a lane is one of its queue too."""
    paused = snapshot.paused
    of_lanes = {lane.queue for lane in snapshot.lanes if view.shows(lane.name)}
    shown = (queue for queue in snapshot.queues if queue.queue in of_lanes or view.shows(queue.queue))
    queues = arrange(shown, view, FIELDS, ORDERS)
    ids = tuple(queue.queue for queue in queues)
    rows = Rows(queues, lambda queue: _row(queue, queue.queue in paused))
    return Table(COLUMNS, rows, empty_text(snapshot, view, "No queues."), ids, tuple(ORDERS), tuple(FIELDS))


def _row(queue: QueueCounts, is_paused: bool) -> tuple[Cell, ...]:
    return (
        cell(f"‖ {queue.queue} (paused)", "wait") if is_paused else cell(queue.queue),
        count_cell(queue.ready, "plain"),
        count_cell(queue.running, "busy"),
        count_cell(queue.delayed, "wait"),
        count_cell(queue.dead, "bad"),
    )


def count_cell(number: int, tone: Tone) -> Cell:
    """A count in its tone; a zero is faint."""
    return cell(format_count(number), tone if number else "faint")
