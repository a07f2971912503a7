"""The workers as a table, those in trouble first."""

import re
from collections.abc import Callable
from typing import Any

from monitor.core.formatting import (
    ABSENT,
    format_age,
    format_celsius,
    format_count,
    format_memory,
    format_percent,
    format_share,
)
from monitor.core.snapshot import Snapshot, WorkerView
from monitor.core.table import Cell, Column, Table, Tone, cell
from monitor.core.view import NOTHING_CHOSEN, Rows, View, arrange, empty_text, with_troubles
from settings.records import DeviceRecord, WorkerRecord, WorkerState

NO_WORKERS = "No workers yet: start one with `dramatiq actors`"

#: Glyph and tone of what a worker says of itself; the glyphs differ without colour too.
STATES: dict[WorkerState, tuple[str, Tone]] = {
    "starting": ("◐", "wait"),
    "loading": ("◐", "wait"),
    "idle": ("○", "plain"),
    "busy": ("●", "busy"),
    "draining": ("‖", "wait"),
    "quarantined": ("⊘", "bad"),
    "standby": ("◌", "faint"),
    "control": ("◇", "plain"),
}

LATE = Cell("▲ late", "warn")
LOST = Cell("✖ lost", "bad")
UNKNOWN = Cell("? unknown", "warn")

#: The cell of each word for a worker.
STATE_CELLS: dict[str, Cell] = {
    **{state: Cell(f"{glyph} {state}", tone) for state, (glyph, tone) in STATES.items()},
    "lost": LOST,
    "late": LATE,
    "unknown": UNKNOWN,
}

#: The order of trouble, worst first; texts, which sort three times as fast as tuples with a number.
_TROUBLE = {"lost": "0", "late": "1", "live": "2"}

#: Above this share of its memory a device is shown as nearly full.
NEARLY_FULL_PERCENT = 95

#: What the names of devices begin with and what says nothing in a narrow column.
_VENDORS = re.compile(r"^(?:(?:NVIDIA|GeForce|AMD|Radeon|Intel\(R\)|Graphics)\s+)*")

COLUMNS = (
    Column("state", least=10, most=13, rank=0),
    Column("worker", least=14, most=32, rank=1),
    Column("card", least=11, most=32, rank=4),
    Column("device", least=10, most=12, rank=8),
    Column("memory", least=13, most=18, rank=2, right=True),
    Column("used", least=4, most=5, rank=6, right=True),
    Column("GPU", least=9, most=10, rank=11, right=True),
    Column("models", least=13, most=48, rank=3),
    Column("tasks", least=5, most=7, rank=7, right=True),
    Column("done", least=7, most=11, rank=9, right=True),
    Column("failed", least=6, most=9, rank=10, right=True),
    Column("up", least=6, most=6, rank=12, right=True),
    Column("seen", least=5, most=6, rank=5, right=True),
)


def worker_table(snapshot: Snapshot, view: View = NOTHING_CHOSEN) -> Table:
    """A row a worker: the lost, the late, the unknown, then the others by name."""
    shown = snapshot.workers
    if view.trouble_only:
        shown = tuple(worker for worker in shown if view.shows(worker.worker_id))
    fields = with_troubles(FIELDS, view, lambda worker: worker.worker_id)
    workers = arrange(shown, view, fields, ORDERS)
    return Table(
        COLUMNS,
        Rows(workers, lambda worker: _row(worker, snapshot.at or 0.0)),
        empty_text(snapshot, view, NO_WORKERS),
        ids=tuple(worker.worker_id for worker in workers),
        orders=tuple(ORDERS),
        fields=tuple(fields),
    )


def _by_trouble(worker: WorkerView) -> str:
    return f"{_TROUBLE[worker.liveness]}{0 if worker.record is None else 1}{worker.worker_id}"


def _host(worker: WorkerView) -> str:
    return worker.record.host if worker.record else ""


def _card(worker: WorkerView) -> str:
    return worker.record.device.label if worker.record and worker.record.device else ""


def _device(worker: WorkerView) -> str:
    return worker.record.device.name if worker.record and worker.record.device else ""


def _model_names(worker: WorkerView) -> str:
    if (record := worker.record) is None:
        return ""
    return " ".join([record.loading or "", *(model.model for model in record.models)])


#: What the words of a filter can be about.
FIELDS: dict[str, Callable[[WorkerView], str]] = {
    "state": lambda worker: worker_state(worker).text,
    "worker": lambda worker: worker.worker_id,
    "host": _host,
    "card": _card,
    "device": _device,
    "model": _model_names,
}


def _memory_used(worker: WorkerView) -> int:
    device = worker.record.device if worker.record else None
    return -((device and device.memory_used) or 0)


#: What the workers can be sorted by; the first is their own order.
ORDERS: dict[str, Callable[[WorkerView], Any]] = {
    "trouble": _by_trouble,
    "worker": lambda worker: worker.worker_id,
    "memory": lambda worker: (_memory_used(worker), worker.worker_id),
    "tasks": lambda worker: (-len(worker.record.running) if worker.record else 0, worker.worker_id),
    "done": lambda worker: (-worker.record.done if worker.record else 0, worker.worker_id),
    "failed": lambda worker: (-worker.record.failed if worker.record else 0, worker.worker_id),
    "seen": lambda worker: (worker.beat_at, worker.worker_id),
}


def worker_state(worker: WorkerView) -> Cell:
    """The one word for a worker with its glyph and tone."""
    return STATE_CELLS[worker.word]


def _row(worker: WorkerView, now: float) -> tuple[Cell, ...]:
    state, name, seen = worker_state(worker), cell(worker.worker_id), cell(format_age(worker.age_seconds(now)))
    if worker.record is None:
        return state, name, *[cell(ABSENT, "faint")] * (len(COLUMNS) - 3), seen
    return state, name, *_device_cells(worker.record.device), *_work_cells(worker.record, now), seen


def _device_cells(device: DeviceRecord | None) -> tuple[Cell, Cell, Cell, Cell, Cell]:
    if device is None:
        return (cell(ABSENT, "faint"),) * 5
    used, total = device.memory_used, device.memory_total
    full = used is not None and total and 100 * used > NEARLY_FULL_PERCENT * total
    return (
        cell(_VENDORS.sub("", device.label) or device.label),
        cell(device.name),
        cell(format_memory(used, total)),
        cell(format_share(used, total), "warn" if full else "plain"),
        _activity(device),
    )


def _activity(device: DeviceRecord) -> Cell:
    """How busy and how hot it is; one dash where nobody can tell either."""
    told = f"{format_percent(device.busy_percent)} {format_celsius(device.temperature_celsius)}"
    return Cell(ABSENT, "faint") if told == f"{ABSENT} {ABSENT}" else Cell(told)


def _work_cells(record: WorkerRecord, now: float) -> tuple[Cell, Cell, Cell, Cell, Cell]:
    return (
        _models(record),
        cell(format_count(len(record.running)), "busy" if record.running else "faint"),
        cell(format_count(record.done)),
        cell(format_count(record.failed), "bad" if record.failed else "faint"),
        cell(format_age(now - record.started_at)),
    )


def _models(record: WorkerRecord) -> Cell:
    """The models in memory by their last use, after the one that is on its way."""
    by_last_use = sorted(record.models, key=lambda model: model.last_used_at, reverse=True)
    names = [_short(model.model) for model in by_last_use]
    if record.loading:
        return cell(", ".join([f"+ {_short(record.loading)}", *names]), "wait")
    return cell(", ".join(names)) if names else cell(ABSENT, "faint")


def _short(model: str) -> str:
    """A model's name without its organisation."""
    return model.rpartition("/")[2] or model
