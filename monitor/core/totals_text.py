"""The totals as lines of toned cells: five, of which the first four fit 80 cells, or three of 140 and more."""

from collections.abc import Iterator, Sequence

from monitor.core.formatting import ABSENT, cell_width, format_age, format_count, format_memory, format_share
from monitor.core.snapshot import Snapshot, Trends
from monitor.core.sparkline import scale_top, sparkline
from monitor.core.spread import Spread, format_spread
from monitor.core.table import GAP, Cell
from monitor.core.totals import Totals
from monitor.core.worker_table import STATE_CELLS

Line = tuple[Cell, ...]

#: From so many cells on there are two facts on a line.
WIDE = 140

#: The words before the facts, which take so many cells.
LABELS, LABEL_CELLS = ("workers", "tasks", "GPUs", "per min", "times"), 9

#: The cells of the bar of memory, and of the trends of the rates: a point is ten seconds.
BAR_CELLS, DONE_CELLS, FAILED_CELLS = 20, 18, 12

#: The scales of the rates reach this far at least.
LEAST_DONE, LEAST_FAILED = 10.0, 10.0

_SPACE = Cell(" " * GAP)


def totals_lines(snapshot: Snapshot, totals: Totals, room: int) -> tuple[Line, ...]:
    """The lines for so many cells, each cut to them."""
    workers, tasks, gpus, rates, times = _facts(snapshot, totals)
    if room < WIDE:
        return tuple(fit_line(line, room) for line in (workers, tasks, gpus, rates, times))
    half = room // 2
    pairs = ((workers, gpus), (tasks, rates))
    return (*((*fit_line(left, half), *fit_line(right, room - half)) for left, right in pairs), fit_line(times, room))


def known_lines(totals: Totals, trends: Trends) -> tuple[Line, ...]:
    """The lines that a single reading can tell, uncut, and the others once there is something to tell."""
    lines = [_workers(totals), _tasks(totals), _gpus(totals)]
    if trends.done_per_minute is not None:
        lines.append(_rates(trends))
    if trends.waits.waited or trends.waits.in_hand:
        lines.append(_times(trends))
    return tuple(lines)


def _facts(snapshot: Snapshot, totals: Totals) -> tuple[Line, Line, Line, Line, Line]:
    if snapshot.at is None:
        absent = Cell(ABSENT, "faint")
        workers, tasks, gpus, rates, times = ((*_label(word), absent) for word in LABELS)
        return workers, tasks, gpus, rates, times
    trends = snapshot.trends
    return _workers(totals), _tasks(totals), _gpus(totals), _rates(trends), _times(trends)


def fit_line(line: Sequence[Cell], room: int) -> Line:
    """The first cells that have room, an ellipsis for the others, and spaces up to the end."""
    shown, used = list[Cell](), 0
    for index, piece in enumerate(line):
        width, is_last = cell_width(piece.text), index == len(line) - 1
        if used + width + (0 if is_last else 1) > room:
            shown.append(Cell("…"[: room - used], "faint"))
            used += len(shown[-1].text)
            break
        shown.append(piece)
        used += width
    return (*shown, Cell(" " * (room - used)))


def _label(word: str) -> Line:
    return _SPACE, Cell(f"{word:<{LABEL_CELLS}}", "title")


def _workers(totals: Totals) -> Line:
    states = [
        Cell(f"{STATE_CELLS[word].text[0]} {format_count(count)} {word}", STATE_CELLS[word].tone)
        for word, count in totals.workers.items()
    ]
    return *_label("workers"), *_spaced(states or [Cell("none", "faint")])


def _tasks(totals: Totals) -> Line:
    first = totals.first_waits_seconds
    since = "" if first is None else f", the first for {format_age(first)}"
    counts = (
        Cell(f"{format_count(totals.waiting)} waiting{since}", "plain" if totals.waiting else "faint"),
        Cell(f"{format_count(totals.running)} running", "busy" if totals.running else "faint"),
        Cell(f"{format_count(totals.delayed)} delayed", "wait" if totals.delayed else "faint"),
        Cell(f"{'✖ ' if totals.dead else ''}{format_count(totals.dead)} dead", "bad" if totals.dead else "faint"),
    )
    return *_label("tasks"), *_spaced(counts)


def _gpus(totals: Totals) -> Line:
    used, total = totals.memory_used, totals.memory_total
    untold = f"{format_count(totals.gpus_untold)} of {format_count(totals.gpus)} cannot tell"
    pieces = [Cell(format_count(totals.gpus), "plain" if totals.gpus else "faint"), Cell(ABSENT, "faint")]
    if used is not None and total is not None and total > 0:
        pieces[1:] = [Cell(_bar(used, total)), Cell(format_memory(used, total)), Cell(format_share(used, total))]
    if totals.gpus_untold:
        pieces.append(Cell(untold, "warn"))
    return *_label("GPUs"), *_spaced(pieces)


def _bar(used: int, total: int) -> str:
    full = max(0, min(BAR_CELLS, (used * BAR_CELLS + total // 2) // total))
    return "█" * full + "░" * (BAR_CELLS - full)


def _rates(trends: Trends) -> Line:
    done = _rate("done", trends.done_per_minute, trends.done_trend, DONE_CELLS, LEAST_DONE)
    failed = _rate("failed", trends.failed_per_minute, trends.failed_trend, FAILED_CELLS, LEAST_FAILED)
    is_failing = bool(trends.failed_per_minute)
    return *_label("per min"), *_spaced((Cell(done), Cell(failed, "bad" if is_failing else "plain")))


def _rate(word: str, rate: float | None, trend: Sequence[float], cells: int, least: float) -> str:
    text = f"{word} {ABSENT if rate is None else f'{rate:,.0f}'}"
    if not trend:
        return text
    top = scale_top(trend, least)
    return f"{text} {sparkline(trend, cells, top)} of {top:,.0f}"


def _times(trends: Trends) -> Line:
    waits = trends.waits
    pieces = (Cell(f"wait {_spread(waits.waited)}"), Cell(f"in hand {_spread(waits.in_hand)}"))
    return *_label("times"), *_spaced(pieces)


def _spread(spread: Spread | None) -> str:
    return ABSENT if spread is None else format_spread(spread)


def _spaced(pieces: Sequence[Cell]) -> Iterator[Cell]:
    for index, piece in enumerate(pieces):
        if index:
            yield _SPACE
        yield piece
