"""What a row of a table opens: a text that is made anew of each reading."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from monitor.core.event_table import event_table
from monitor.core.formatting import ABSENT
from monitor.core.lane_text import lane_text, lane_title
from monitor.core.model_text import model_text
from monitor.core.server_table import key_table, server_table
from monitor.core.snapshot import Snapshot
from monitor.core.table import Table
from monitor.core.trouble import Trouble
from monitor.core.worker_text import worker_text

#: Tables whose rows have no more to tell than they have room to show.
_PLAIN: dict[str, Callable[[Snapshot], Table]] = {"events": event_table, "server": server_table, "all-keys": key_table}


@dataclass(frozen=True)
class Detail:
    """A title, a text and the id of what they are about; `page` says what a source has to read besides for it."""

    title: str
    make: Callable[[Snapshot, int], str]
    """Takes the reading, and how many columns there are."""
    about: str
    page: str = ""


def detail_of(table_id: str, row_id: str, task_seconds: float) -> Detail | None:
    """What a row opens; None when its table is none of these."""
    if table_id in ("workers", "all-workers"):
        return Detail(row_id, lambda now, _: worker_text(now, row_id, task_seconds), row_id, "worker")
    if table_id in ("queues", "all-lanes"):
        return Detail(lane_title(row_id), lambda now, width: lane_text(now, row_id, width), row_id, "lane")
    if table_id == "all-models":
        return Detail(row_id, lambda now, width: model_text(now, row_id, width), row_id)
    if make := _PLAIN.get(table_id):
        return Detail("In full", lambda now, _: row_text(make(now), row_id), row_id)
    return None


def detail_of_trouble(trouble: Trouble, snapshot: Snapshot, task_seconds: float) -> Detail | None:
    """What a trouble is about: a worker, a lane, a queue or a model; None for dead letters and for several at once."""
    known: dict[str, Iterable[str]] = {
        "workers": (worker.worker_id for worker in snapshot.workers),
        "all-lanes": (*(lane.name for lane in snapshot.lanes), *snapshot.paused) if trouble.kind != "dead" else (),
        "all-models": snapshot.trends.loads,
    }
    tables = (table for table, names in known.items() if trouble.about in names)
    return next((detail_of(table, trouble.about, task_seconds) for table in tables), None)


def row_text(table: Table, row_id: str) -> str:
    """A line a cell, in full."""
    if row_id not in table.ids:
        return "This row is not told any more."
    row = table.rows[list(table.ids).index(row_id)]
    width = max(len(column.title) for column in table.columns)
    return "\n".join(
        f"{column.title:<{width}}  {cell.text.strip() or ABSENT}"
        for column, cell in zip(table.columns, row, strict=True)
    )
