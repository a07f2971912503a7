"""The cluster in a few words."""

from monitor.core.formatting import format_count
from monitor.core.snapshot import Snapshot
from monitor.core.table import Cell, Tone


def summarise(snapshot: Snapshot) -> tuple[Cell, ...]:
    """How many workers there are, and each kind of trouble that exists."""
    workers = len(snapshot.workers)
    troubles: tuple[tuple[str, int, str, Tone], ...] = (
        ("▲", snapshot.count_workers("late"), "late", "warn"),
        ("✖", snapshot.count_workers("lost"), "lost", "bad"),
        ("✖", snapshot.dead_letters, "dead", "bad"),
    )
    return (
        Cell(f"{format_count(workers)} worker{'' if workers == 1 else 's'}"),
        *(Cell(f"{glyph} {format_count(count)} {what}", tone) for glyph, count, what, tone in troubles if count),
    )
