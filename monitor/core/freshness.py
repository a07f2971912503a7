"""How up to date the shown data are, in words."""

from dataclasses import dataclass

from monitor.core.formatting import format_age
from monitor.core.snapshot import Snapshot
from monitor.core.table import Cell, cell

#: Seconds beyond the interval after which an answer that has not come is worth a word.
PATIENCE_SECONDS = 3.0


@dataclass(frozen=True)
class Freshness:
    """A word for the status line, a sentence if one is due, and whether the data are older than they should be."""

    word: Cell
    banner: Cell | None = None
    is_stale: bool = False


def judge_freshness(snapshot: Snapshot, age_seconds: float, interval_seconds: float, paused: bool) -> Freshness:
    """What to say of a snapshot.

    Args:
      age_seconds: The time since the last good answer, or since the start when there was none.
    """
    age = format_age(age_seconds)
    if paused:
        return Freshness(Cell("‖ paused", "wait"), Cell(f"‖ Paused, data of {age} ago: p goes on", "wait"))
    if snapshot.error:
        meanwhile = "trying again" if snapshot.at is None else "showing the last data"
        banner = cell(f"✖ {snapshot.error} (for {age}) - {meanwhile}", "bad")
        return Freshness(Cell("✖ down", "bad"), banner, is_stale=True)
    if age_seconds > interval_seconds + PATIENCE_SECONDS:
        return Freshness(Cell("▲ slow", "warn"), Cell(f"▲ No answer for {age}", "warn"), is_stale=True)
    return Freshness(Cell("◐ connecting", "wait") if snapshot.at is None else Cell("● live", "good"))
