"""How up to date the shown data are, in words."""

from dataclasses import dataclass
from datetime import datetime

from monitor.core.formatting import format_age
from monitor.core.snapshot import Snapshot
from monitor.core.source import SourceState
from monitor.core.table import Cell, cell

#: Seconds beyond the interval after which an answer that has not come is worth a word.
PATIENCE_SECONDS = 3.0


@dataclass(frozen=True)
class Freshness:
    """A word for the status line, a sentence if one is due, and whether the data are older than they should be."""

    word: Cell
    banner: Cell | None = None
    is_stale: bool = False


#: What the readings are when nothing is wrong with them.
_STATES: dict[SourceState, Cell] = {
    "live": Cell("● live", "good"),
    "recording": Cell("● recording", "good"),
    "not recording": Cell("▲ not recorded", "warn"),
    "demo": Cell("● demo", "good"),
    "replay": Cell("▶ replay", "wait"),
    "ended": Cell("■ replay", "wait"),
}


def judge_freshness(
    snapshot: Snapshot, age_seconds: float, interval_seconds: float, paused: bool, state: SourceState = "live"
) -> Freshness:
    """What to say of a snapshot.

    Args:
      age_seconds: The time since the last good answer, or since the start when there was none.
    """
    age = format_age(age_seconds)
    if paused:
        return Freshness(
            Cell("‖ paused", "wait"), Cell(f"‖ Paused, data of {age} ago: p goes on, ← → steps, [ ] a minute", "wait")
        )
    if snapshot.error:
        meanwhile = "trying again" if snapshot.at is None else "showing the last data"
        banner = cell(f"✖ {snapshot.error} (for {age}) - {meanwhile}", "bad")
        return Freshness(Cell("✖ down", "bad"), banner, is_stale=True)
    if age_seconds > interval_seconds + PATIENCE_SECONDS:
        return Freshness(Cell("▲ slow", "warn"), Cell(f"▲ No answer for {age}", "warn"), is_stale=True)
    if snapshot.at is None:
        return Freshness(Cell("◐ connecting", "wait"))
    return Freshness(_STATES[state], _told_of_replay(snapshot.at, state))


def _told_of_replay(at: float, state: SourceState) -> Cell | None:
    when = f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S}"
    if state == "replay":
        return Cell(f"▶ Replay of {when}: nothing can be changed; p pauses, + and - change the speed", "wait")
    return Cell(f"■ The recording ends here, at {when}", "wait") if state == "ended" else None
