"""The cluster in a few words."""

from monitor.core.formatting import format_count
from monitor.core.table import Cell, Tone
from monitor.core.totals import Totals


def summarise(totals: Totals) -> tuple[Cell, ...]:
    """How many workers there are, and each kind of trouble that exists."""
    workers = sum(totals.workers.values())
    troubles: tuple[tuple[str, int, str, Tone], ...] = (
        ("▲", totals.workers.get("late", 0), "late", "warn"),
        ("✖", totals.workers.get("lost", 0), "lost", "bad"),
        ("✖", totals.dead, "dead", "bad"),
    )
    return (
        Cell(f"{format_count(workers)} worker{'' if workers == 1 else 's'}"),
        *(Cell(f"{glyph} {format_count(count)} {what}", tone) for glyph, count, what, tone in troubles if count),
    )
