"""When lanes will be empty, and what that is reckoned from."""

from collections.abc import Iterator, Sequence

from monitor.core.formatting import format_age, format_count
from monitor.core.snapshot import LaneView, Snapshot


def clearing_lines(snapshot: Snapshot, lanes: Sequence[LaneView]) -> Iterator[str]:
    """By what the last minute showed, and by what the model's tasks took of late; each with its basis."""
    waiting = sum(lane.ready for lane in lanes)
    open_lanes = [lane for lane in lanes if not lane.is_paused]
    if not waiting:
        yield "nothing waits"
    elif not any(lane.ready for lane in open_lanes):
        yield "not before someone resumes it"
    else:
        yield _by_growth(snapshot, open_lanes)
        yield from _by_service(snapshot, open_lanes)


def _by_growth(snapshot: Snapshot, lanes: Sequence[LaneView]) -> str:
    trends = snapshot.trends
    if trends.done_per_minute is None:
        return "not told yet: the lanes have not been watched for long enough"
    growth = sum(trends.growth_per_minute.get(lane.name, 0.0) for lane in lanes)
    if growth >= 0:
        more = f"{growth:,.0f} more tasks a minute come than leave" if growth else "as many tasks come as leave"
        return f"not at the last minute's pace: {more}"
    seconds = 60 * sum(lane.ready for lane in lanes) / -growth
    return f"in about {format_age(seconds)}, as {-growth:,.0f} more tasks a minute leave than come"


def _by_service(snapshot: Snapshot, lanes: Sequence[LaneView]) -> Iterator[str]:
    if (capacity := snapshot.capacities.get(lanes[0].model or "")) is None or lanes[0].model is None:
        return
    waiting = sum(lane.ready for lane in lanes)
    seconds, each = capacity.wait_seconds(waiting), capacity.seconds_per_task
    if not capacity.workers:
        yield "no worker with a device takes tasks"
    elif seconds is None or each is None:
        yield "too few tasks of the model have been measured of late to reckon with what they take"
    else:
        shared = f"{each:.3g} s each, shared by {capacity.workers} worker{'' if capacity.workers == 1 else 's'}"
        basis = f"{format_count(waiting)} tasks, {shared}; other models' tasks and loading are not counted"
        yield f"in about {format_age(seconds)} if no more came: {basis}"
