"""What a worker did of late, as text with bars of a minute each."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from monitor.core.formatting import ABSENT, format_age, format_bytes, format_count, format_percent
from monitor.core.snapshot import WorkerHistory
from monitor.core.sparkline import scale_top, sparkline

#: The changes of state that are named, the newest first.
MOST_CHANGES = 6

#: The scale of tasks reaches this far at least, the others exactly.
LEAST_DONE, FULL_PERCENT = 10.0, 100.0

MOST_DONE = 10**9


def history_lines(history: WorkerHistory, memory_total: int | None) -> Iterator[str]:
    """The last ten minutes, or as much of them as was watched."""
    minutes = history.minutes
    yield f"Last {len(minutes)} min, watched since {_clock(history.since)}; a bar a minute, then the newest"
    # Whole numbers and limits: a float would overflow on what a broken record may say.
    done = [min(minute.done, MOST_DONE) for minute in minutes]
    failed = sum(minute.failed for minute in minutes)
    counts = f"{format_count(minutes[-1].done)} done since {_clock(minutes[-1].begin)}"
    top = scale_top(done, LEAST_DONE)
    yield f"  done    {_bars(done, top)} of {top:,.0f}  {counts}, {format_count(failed)} failed in all"
    busy = [minute.busy_share for minute in minutes]
    yield f"  busy    {_bars(busy, FULL_PERCENT)}  {format_percent(busy[-1])} of its beats with tasks in hand"
    if any(minute.gpu_percent is not None for minute in minutes):
        gpu = [minute.gpu_percent for minute in minutes]
        yield f"  GPU     {_bars(gpu, FULL_PERCENT)}  {format_percent(gpu[-1])} at most"
    if memory_total and any(minute.memory_used is not None for minute in minutes):
        used = [None if (size := minute.memory_used) is None else 100 * size // memory_total for minute in minutes]
        latest = ABSENT if (size := minutes[-1].memory_used) is None else format_bytes(size)
        yield f"  memory  {_bars([share and min(100, share) for share in used], FULL_PERCENT)}  {latest}"
    newest = list(reversed(history.changes))[:MOST_CHANGES]
    yield f"  states  {', '.join(f'{change.state} since {_clock(change.at)}' for change in newest[:1])}"
    yield from (f"          {_clock(change.at)} {change.state}" for change in newest[1:])


def asked_line(history: WorkerHistory | None, now: float, has_tasks: bool) -> str:
    """Whether it asks for tasks: beats alone do not say so."""
    if history is None:
        return "not known"
    if history.asked_at is not None:
        return f"asked for tasks {format_age(now - history.asked_at)} ago, with nothing in hand"
    return "has tasks in hand" if has_tasks else "not known to ask for tasks with nothing in hand"


def _bars(values: Sequence[float | int | None], top: float) -> str:
    """What nobody can tell is a gap."""
    bars = sparkline([value or 0.0 for value in values], len(values), top)
    return "".join(" " if value is None else bar for value, bar in zip(values, bars, strict=True))


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S}"
