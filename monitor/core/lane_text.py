"""All that is known of the lanes of one model, or of a queue with all its lanes, as text."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from monitor.core.formatting import ABSENT, format_age, format_count, printable
from monitor.core.lane_clearing import clearing_lines
from monitor.core.lane_table import COLUMNS, lane_row
from monitor.core.listed_tasks import ListedTask
from monitor.core.snapshot import LaneView, Snapshot
from monitor.core.table import Cell, Column, Table, cell, table_lines
from monitor.core.trouble_finder import served_queues
from settings import keys
from settings.lane_names import PRIORITIES, LaneName
from settings.worker_answers import WorkerAnswer, WorkerReading, answers_of

#: The most lanes of a queue that are shown, those with the most waiting tasks first, and the most workers and tasks.
MOST_LANES, MOST_WORKERS, MOST_TASKS = 12, 12, 10

TASK_COLUMNS = (
    Column("place", least=5, most=5, rank=0, right=True),
    Column("task", least=13, most=36, rank=1),
    Column("actor", least=5, most=14, rank=2),
    Column("waits", least=6, most=6, rank=3, right=True),
    Column("priority", least=8, most=8, rank=4),
    Column("model", least=12, most=60, rank=5),
)

#: The narrowest column of workers' names, and the widest.
LEAST_NAME, MOST_NAME = 12, 40


def lane_title(name: str) -> str:
    """What is shown when the lane or queue of this name is opened: the model, or the queue."""
    lane = LaneName.parse(name)
    return lane.queue if lane.model is None else f"{lane.queue}, {lane.model}"


def lane_text(snapshot: Snapshot, name: str, width: int = sys.maxsize) -> str:
    """The lanes of one model together, or all of a queue; also for what is empty now."""
    opened = LaneName.parse(name)
    lanes = _lanes_of_model(snapshot, opened) if opened.model else _lanes_of_queue(snapshot, opened.queue)
    return "\n".join(map(printable, _lines(snapshot, opened, lanes, width)))


def _lanes_of_model(snapshot: Snapshot, opened: LaneName) -> list[LaneView]:
    known = {lane.priority: lane for lane in snapshot.lanes if (lane.queue, lane.model) == (opened.queue, opened.model)}
    names = (LaneName(opened.queue, priority, opened.model) for priority in PRIORITIES)
    return [known.get(name.priority) or LaneView(str(name), *name) for name in names]


def _lanes_of_queue(snapshot: Snapshot, queue: str) -> list[LaneView]:
    lanes = (lane for lane in snapshot.lanes if lane.queue == queue)
    return sorted(lanes, key=lambda lane: (-lane.ready, -lane.running, lane.name))


def _lines(snapshot: Snapshot, opened: LaneName, lanes: Sequence[LaneView], width: int) -> Iterator[str]:
    yield from _pauses(snapshot, [opened.queue, *(lane.name for lane in lanes if lane.name != opened.queue)])
    for index, line in enumerate(clearing_lines(snapshot, lanes)):
        yield f"{'' if index else 'clears':<8}{line}"
    yield from ("", *_counts(snapshot, opened, lanes, width))
    yield from ("", *(_workers(snapshot, opened.model) if opened.model else _servers(snapshot, opened.queue)))
    yield from ("", *_waiting(snapshot, opened, lanes, width))
    yield from ("", *_dead(snapshot, lanes))


def _pauses(snapshot: Snapshot, names: Sequence[str]) -> Iterator[str]:
    for name in (name for name in names if name in snapshot.paused):
        events = (event.at for event in snapshot.audit if (event.what, event.about) == ("pause", name))
        at = next(events, None)
        since = "" if at is None else f" {format_age((snapshot.at or 0.0) - at)} ago"
        yield f"‖ {name} was paused by {snapshot.paused[name]}{since}; P on the Queues page resumes it"


def _counts(snapshot: Snapshot, opened: LaneName, lanes: Sequence[LaneView], width: int) -> Iterator[str]:
    growth = snapshot.trends.growth_per_minute
    first = 2 if opened.model else 1
    rows = [lane_row(lane, growth.get(lane.name))[first:] for lane in lanes[:MOST_LANES]]
    yield from table_lines(Table(COLUMNS[first:], rows), width)
    if len(lanes) > MOST_LANES:
        yield f"and {len(lanes) - MOST_LANES} more lanes"


def _workers(snapshot: Snapshot, model: str) -> Iterator[str]:
    """Who holds the model, then who would have to load it."""
    living = (worker for worker in snapshot.workers if worker.liveness != "lost")
    readings = [WorkerReading(each.worker_id, each.age_seconds(snapshot.at), each.record) for each in living]
    found = sorted(answers_of(readings, model, None), key=lambda answer: (not answer.holds_model, answer.worker_id))
    holders = sum(answer.holds_model for answer in found)
    yield f"Workers ({len(found)}), of which {holders} hold{'s' if holders == 1 else ''} the model"
    yield from _answers(found[:MOST_WORKERS])
    if len(found) > MOST_WORKERS:
        yield f"  and {len(found) - MOST_WORKERS} more"


def _answers(found: Sequence[WorkerAnswer]) -> Iterator[str]:
    width = min(MOST_NAME, max([LEAST_NAME, *(len(answer.worker_id) for answer in found)]))
    for answer in found:
        yield f"  {answer.worker_id:<{width}}  {answer.text}"


def _servers(snapshot: Snapshot, queue: str) -> Iterator[str]:
    states = Counter(
        worker.record.state if worker.liveness == "live" else worker.liveness
        for worker in snapshot.workers
        if worker.record and queue in served_queues(worker)
    )
    counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
    device = " with a device" if queue == keys.INFERENCE_QUEUE else ""
    yield f"Workers{device} that take its tasks ({states.total()}): {counts}" if states else "No worker takes its tasks"


def _waiting(snapshot: Snapshot, opened: LaneName, lanes: Sequence[LaneView], width: int) -> Iterator[str]:
    names = {lane.name for lane in lanes}
    waiting = [task for task in snapshot.tasks if task.state == "waiting" and task.lane in names]
    waiting.sort(key=_as_taken if opened.model else lambda task: (task.since or 0.0, task.lane, task.position))
    total = sum(lane.ready for lane in lanes)
    yield f"Waiting ({format_count(total)})" + (", the first of them" if 0 < len(waiting) < total else "")
    if waiting:
        columns = TASK_COLUMNS[:-1] if opened.model else TASK_COLUMNS
        rows = [_task_row(task, snapshot.at or 0.0)[: len(columns)] for task in waiting[:MOST_TASKS]]
        yield from table_lines(Table(columns, rows), width)
    elif total:
        yield "which ones has not been told, or is not in the recording"


def _task_row(task: ListedTask, now: float) -> tuple[Cell, ...]:
    lane, sought = LaneName.parse(task.lane), task.sought
    return (
        Cell(str(task.position)),
        cell(sought.message_id if sought else task.redis_id),
        cell(sought.actor or ABSENT if sought else ABSENT),
        Cell(ABSENT if task.since is None else format_age(now - task.since)),
        Cell(lane.priority),
        cell(lane.model or "(any)"),
    )


def _as_taken(task: ListedTask) -> tuple[int, int]:
    """Tasks of a higher priority go first."""
    return PRIORITIES.index(LaneName.parse(task.lane).priority), task.position


def _dead(snapshot: Snapshot, lanes: Sequence[LaneView]) -> Iterator[str]:
    names = {lane.name for lane in lanes}
    yield f"Dead letters ({format_count(sum(lane.dead for lane in lanes))})"
    dead = sorted(
        (task for task in snapshot.tasks if task.state == "dead" and task.lane in names and task.failure),
        key=lambda task: -(task.since or 0.0),
    )
    for task in dead[:1]:
        yield f"  the newest {format_age((snapshot.at or 0.0) - (task.since or 0.0))} ago: {task.failure}"
