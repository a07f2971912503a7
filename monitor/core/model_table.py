"""The models as a table: where each is in memory, and how much it is used and wanted."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from monitor.core.formatting import ABSENT, format_age, format_bytes, format_count
from monitor.core.queue_table import count_cell
from monitor.core.snapshot import Snapshot
from monitor.core.table import Cell, Column, Table, cell
from monitor.core.trouble import THRASHING_LOADS
from monitor.core.view import NOTHING_CHOSEN, Rows, View, arrange, empty_text
from settings.arriving import describe_progress

COLUMNS = (
    Column("model", least=18, most=60, rank=0),
    Column("on", least=4, most=6, rank=1, right=True),
    Column("memory", least=9, most=10, rank=2, right=True),
    Column("uses", least=7, most=12, rank=5, right=True),
    Column("last used", least=9, most=9, rank=3, right=True),
    Column("waiting", least=7, most=12, rank=4, right=True),
    Column("loads", least=5, most=7, rank=6, right=True),
    Column("where", least=14, most=80, rank=7),
)


@dataclass
class _Model:
    name: str
    bytes: int = 0
    uses: int = 0
    idle_seconds: float | None = None
    waiting: int = 0
    loads: int = 0
    workers: list[str] = field(default_factory=list)
    arriving: list[str] = field(default_factory=list)
    """What is done with it where it is not in memory yet."""


#: What the models can be sorted by; the first is their own order.
ORDERS: dict[str, Callable[[_Model], Any]] = {
    "model": lambda model: model.name,
    "on": lambda model: (-len(model.workers), model.name),
    "memory": lambda model: (-model.bytes, model.name),
    "uses": lambda model: (-model.uses, model.name),
    "waiting": lambda model: (-model.waiting, model.name),
    "loads": lambda model: (-model.loads, model.name),
}


def model_table(snapshot: Snapshot, view: View = NOTHING_CHOSEN) -> Table:
    """A row a model that is in memory or waited for."""
    shown = (model for model in _models(snapshot) if model.loads >= THRASHING_LOADS or not view.trouble_only)
    models = arrange(shown, view, _searchable, ORDERS)
    empty = empty_text(snapshot, view, "No model is in memory, and none is waited for.")
    return Table(COLUMNS, Rows(models, _row), empty, tuple(model.name for model in models), tuple(ORDERS))


def _searchable(model: _Model) -> str:
    return " ".join([model.name, *model.workers, *(["thrash"] if model.loads >= THRASHING_LOADS else [])])


def _models(snapshot: Snapshot) -> list[_Model]:
    waiting: Counter[str] = Counter()
    for lane in snapshot.lanes:
        if lane.model and lane.ready:
            waiting[lane.model] += lane.ready
    models = {name: _Model(name, waiting=count) for name, count in waiting.items()}
    for worker in snapshot.workers:
        for coming in worker.record.arriving if worker.record else ():
            name = coming.model.partition("@")[0]
            models.setdefault(name, _Model(name)).arriving.append(f"+ {worker.worker_id} {describe_progress(coming)}")
        for held in worker.record.models if worker.record else ():
            model = models.setdefault(held.model, _Model(held.model))
            model.bytes += held.bytes
            model.uses += held.uses
            model.workers.append(worker.worker_id)
            # Both times are by the worker's own clock.
            idle = max(0.0, worker.record.sent_at - held.last_used_at) + worker.age_seconds if worker.record else 0.0
            model.idle_seconds = idle if model.idle_seconds is None else min(model.idle_seconds, idle)
    for name, count in snapshot.trends.loads.items():
        if name in models:
            models[name].loads = count
    return list(models.values())


def _row(model: _Model) -> tuple[Cell, ...]:
    return (
        cell(model.name),
        count_cell(len(model.workers), "busy"),
        Cell(format_bytes(model.bytes) if model.workers else ABSENT),
        Cell(format_count(model.uses)),
        Cell(ABSENT if model.idle_seconds is None else format_age(model.idle_seconds)),
        count_cell(model.waiting, "wait"),
        count_cell(model.loads, "warn" if model.loads >= THRASHING_LOADS else "plain"),
        cell(", ".join([*model.arriving[:3], *model.workers[:10]]) or ABSENT, "wait" if model.arriving else "plain"),
    )
