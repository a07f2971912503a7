"""The tasks as a table: those that workers have in hand, the first of each lane, the dead, those that have gone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from monitor.core.formatting import ABSENT, format_age, format_count
from monitor.core.snapshot import Snapshot, WorkerView
from monitor.core.table import Cell, Column, Table, Tone, cell
from monitor.core.view import NOTHING_CHOSEN, Rows, View, arrange, empty_text
from settings.arriving import arriving_on, describe_progress
from settings.lane_names import LaneName
from settings.records import TaskRecord
from settings.sought_task import SoughtTask

State = Literal["loading", "running", "waiting", "dead", "gone"]

#: Glyph, word and tone of each state; the glyphs differ without colour too.
STATES: dict[State, tuple[str, Tone]] = {
    "loading": ("◐ loading", "wait"),
    "running": ("● running", "busy"),
    "waiting": ("○ waiting", "plain"),
    "dead": ("✖ dead", "bad"),
    "gone": ("· gone", "faint"),
}

COLUMNS = (
    Column("state", least=9, most=9, rank=0),
    Column("task", least=13, most=36, rank=1),
    Column("actor", least=8, most=14, rank=3),
    Column("model", least=12, most=40, rank=4),
    Column("where", least=14, most=60, rank=2),
    Column("for", least=6, most=6, rank=5, right=True),
)

NO_TASKS = "No task is in hand, waits or is dead. i finds one by its id."


@dataclass(frozen=True)
class TaskRow:
    """A task in one place."""

    row_id: str
    state: State
    sought: SoughtTask | None
    """What it is looked for by; `None` until its message id is known."""
    redis_id: str
    actor: str | None
    model: str | None
    where: str
    seconds: float | None
    """For how long it has been there."""
    order: tuple[Any, ...] = ()
    worker_id: str = ""
    """Who has it in hand."""

    @property
    def name(self) -> str:
        """Its message id, else what Redis calls it."""
        return self.sought.message_id if self.sought else self.redis_id


#: What the tasks can be sorted by; the first is their own order.
ORDERS: dict[str, Callable[[TaskRow], Any]] = {
    "state": lambda row: (list(STATES).index(row.state), row.order, row.row_id),
    "for": lambda row: (-(row.seconds or 0.0), row.row_id),
    "actor": lambda row: (row.actor or "", row.row_id),
    "model": lambda row: (row.model or "", row.row_id),
}

#: What the words of a filter can be about.
FIELDS: dict[str, Callable[[TaskRow], str]] = {
    "state": lambda row: STATES[row.state][0],
    "task": lambda row: f"{row.name} {row.redis_id}",
    "actor": lambda row: row.actor or "",
    "model": lambda row: row.model or "",
    "worker": lambda row: row.worker_id,
    "where": lambda row: row.where,
}


def task_table(snapshot: Snapshot, view: View = NOTHING_CHOSEN) -> Table:
    """A row a task; in trouble are the dead, and those in the hands of a worker that is."""
    shown = (row for row in task_rows(snapshot) if row.state == "dead" or view.shows(row.worker_id))
    rows = arrange(shown, view, FIELDS, ORDERS)
    empty, ids = empty_text(snapshot, view, NO_TASKS), tuple(row.row_id for row in rows)
    return Table(COLUMNS, Rows(rows, _row), empty, ids, tuple(ORDERS), tuple(FIELDS), tuple(row.name for row in rows))


def find_row(snapshot: Snapshot, row_id: str) -> TaskRow | None:
    """The task of a row."""
    return next((row for row in task_rows(snapshot) if row.row_id == row_id), None)


def task_rows(snapshot: Snapshot) -> Iterator[TaskRow]:
    """All tasks that are known of, in no order."""
    for worker in snapshot.workers:
        yield from _in_hand(worker, snapshot.at)
    yield from _listed(snapshot)
    for recent in snapshot.recent_tasks:
        row_id, task = f"gone {recent.worker_id} {recent.task.message_id}", recent.task
        seconds = max(0.0, (snapshot.at or 0.0) - recent.gone_at)
        yield _of_worker(row_id, "gone", recent.worker_id, task, seconds, (seconds,))


def _in_hand(worker: WorkerView, at: float | None) -> Iterator[TaskRow]:
    if (record := worker.record) is None:
        return
    for task in record.running:
        # Both times are by the worker's own clock.
        seconds = max(0.0, record.sent_at - task.started_at) + worker.age_seconds(at)
        own = arriving_on(record, task.model)
        state: State = "loading" if own or record.loading else "running"
        where = f"{worker.worker_id}, {describe_progress(own)}" if own else worker.worker_id
        row = _of_worker(f"{worker.worker_id} {task.message_id}", state, where, task, seconds, (-seconds,))
        yield replace(row, worker_id=worker.worker_id)


def _of_worker(
    row_id: str, state: State, where: str, task: TaskRecord, seconds: float, order: tuple[Any, ...]
) -> TaskRow:
    sought = SoughtTask(task.message_id)
    return TaskRow(row_id, state, sought, "", task.actor, task.model, where, seconds, order)


def _listed(snapshot: Snapshot) -> Iterator[TaskRow]:
    depths = {lane.name: lane.ready for lane in snapshot.lanes}
    now = snapshot.at or 0.0
    for task in snapshot.tasks:
        sought, lane = task.sought, LaneName.parse(task.lane)
        if task.state == "dead":
            where = task.failure or task.lane
        else:
            depth = format_count(max(task.position, depths.get(task.lane, 0)))
            where = f"{task.position} of {depth}, {lane.priority if lane.model else task.lane}"
        yield TaskRow(
            f"{task.state} {task.lane} {task.redis_id}",
            task.state,
            sought,
            task.redis_id,
            sought.actor if sought else None,
            lane.model or (sought.model if sought else None),
            where,
            None if task.since is None else max(0.0, now - task.since),
            (task.lane, task.position),
        )


def _row(row: TaskRow) -> tuple[Cell, ...]:
    word, tone = STATES[row.state]
    return (
        Cell(word, tone),
        cell(row.name, "plain" if row.sought else "faint"),
        cell(row.actor or ABSENT),
        cell(row.model or ABSENT),
        cell(row.where, "bad" if row.state == "dead" else "plain"),
        Cell(ABSENT if row.seconds is None else format_age(row.seconds)),
    )
