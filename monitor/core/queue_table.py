"""The queues as a table."""

from monitor.core.formatting import format_count
from monitor.core.snapshot import Snapshot
from monitor.core.table import Cell, Column, Table, Tone, cell
from settings.records import QueueCounts

COLUMNS = (
    Column("queue", least=12, most=32, rank=0),
    Column("ready", least=7, most=12, rank=1, right=True),
    Column("running", least=7, most=12, rank=2, right=True),
    Column("delayed", least=7, most=12, rank=4, right=True),
    Column("dead", least=7, most=12, rank=3, right=True),
)


def queue_table(snapshot: Snapshot) -> Table:
    """A row a queue, by name."""
    return Table(COLUMNS, tuple(map(_row, snapshot.queues)), empty="Waiting for the first answer.")


def _row(queue: QueueCounts) -> tuple[Cell, ...]:
    return (
        cell(queue.queue),
        _count(queue.ready, "plain"),
        _count(queue.running, "busy"),
        _count(queue.delayed, "wait"),
        _count(queue.dead, "bad"),
    )


def _count(number: int, tone: Tone) -> Cell:
    return cell(format_count(number), tone if number else "faint")
