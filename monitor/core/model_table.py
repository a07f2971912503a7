"""The models as a table: where each is in memory, and how much it is used and wanted."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from monitor.core.formatting import ABSENT, format_age, format_bytes, format_count
from monitor.core.model_stays import PINNED, Stay, stays
from monitor.core.queue_table import count_cell
from monitor.core.snapshot import Snapshot
from monitor.core.table import Cell, Column, Table, cell
from monitor.core.trouble_finder import THRASHING_LOADS
from monitor.core.view import NOTHING_CHOSEN, Rows, View, arrange, empty_text, with_troubles
from settings.arriving import describe_progress

COLUMNS = (
    Column("model", least=17, most=60, rank=0),
    Column("on", least=2, most=6, rank=1, right=True),
    Column("memory", least=8, most=10, rank=2, right=True),
    Column("last used", least=9, most=9, rank=4, right=True),
    Column("stays", least=8, most=10, rank=5, right=True),
    Column("waiting", least=7, most=12, rank=3, right=True),
    Column("hits", least=4, most=4, rank=8, right=True),
    Column("loads", least=5, most=7, rank=6, right=True),
    Column("unloads", least=7, most=7, rank=9, right=True),
    Column("swaps/h", least=7, most=7, rank=7, right=True),
    Column("uses", least=7, most=12, rank=10, right=True),
    Column("where", least=14, most=90, rank=11),
)

#: Shown while any model thrashes.
STATE = Column("state", least=8, most=8, rank=1)

THRASH = Cell("▲ thrash", "warn")

#: Before so many seconds were watched, swaps are not reckoned up to an hour.
LEAST_WATCHED_SECONDS = 60.0

#: The places of a model that are named.
MOST_ARRIVING, MOST_WORKERS = 3, 10


@dataclass
class ModelRow:
    """A model, and all places where it is or comes to be in memory."""

    name: str
    waiting: int = 0
    loads: int = 0
    unloads: int = 0
    swaps: int = 0
    window_uses: int = 0
    """Those of the last ten minutes, as far as they were watched."""
    stays: list[Stay] = field(default_factory=list)
    arriving: list[str] = field(default_factory=list)
    """What is done with it where it is not in memory yet."""

    @property
    def bytes(self) -> int:
        """What it takes in all places."""
        return sum(stay.held.bytes for stay in self.stays)

    @property
    def uses(self) -> int:
        """How often it was used where it is in memory."""
        return sum(stay.held.uses for stay in self.stays)

    @property
    def thrashes(self) -> bool:
        """Whether it is loaded in place of work."""
        return self.loads >= THRASHING_LOADS

    @property
    def hits(self) -> str:
        """The share of its uses that found it in memory."""
        if not self.window_uses:
            return ABSENT
        return f"{100 * max(0, self.window_uses - self.loads) // self.window_uses}%"


#: What the models can be sorted by; the first is their own order.
ORDERS: dict[str, Callable[[ModelRow], Any]] = {
    "model": lambda model: model.name,
    "on": lambda model: (-len(model.stays), model.name),
    "memory": lambda model: (-model.bytes, model.name),
    "last used": lambda model: (-max((stay.idle_seconds for stay in model.stays), default=0.0), model.name),
    "waiting": lambda model: (-model.waiting, model.name),
    "loads": lambda model: (-model.loads, model.name),
    "uses": lambda model: (-model.uses, model.name),
}

#: What the words of a filter can be about.
FIELDS: dict[str, Callable[[ModelRow], str]] = {
    "state": lambda model: THRASH.text if model.thrashes else "",
    "model": lambda model: model.name,
    "worker": lambda model: " ".join(stay.worker.worker_id for stay in model.stays),
    "stays": lambda model: PINNED if any(stay.held.is_pinned for stay in model.stays) else "",
}


def model_table(snapshot: Snapshot, view: View = NOTHING_CHOSEN) -> Table:
    """A row a model that is in memory or waited for."""
    rows = model_rows(snapshot)
    any_thrashes = any(model.thrashes for model in rows)
    fields = with_troubles(FIELDS, view, lambda model: model.name)
    models = arrange((model for model in rows if view.shows(model.name)), view, fields, ORDERS)
    watched = snapshot.trends.watched_seconds

    def make(model: ModelRow) -> tuple[Cell, ...]:
        state = (THRASH if model.thrashes else Cell(ABSENT, "faint"),)
        return (*(state if any_thrashes else ()), *_row(model, watched))

    return Table(
        (STATE, *COLUMNS) if any_thrashes else COLUMNS,
        Rows(models, make),
        empty_text(snapshot, view, "No model is in memory, and none is waited for."),
        ids=tuple(model.name for model in models),
        orders=tuple(ORDERS),
        fields=tuple(fields),
        note="" if watched is None else f"hits to swaps/h: last {format_age(watched)}",
    )


def model_rows(snapshot: Snapshot) -> list[ModelRow]:
    """All models that are in memory, on their way or waited for, in no order."""
    waiting: Counter[str] = Counter()
    for lane in snapshot.lanes:
        if lane.model and lane.ready:
            waiting[lane.model] += lane.ready
    models = {name: ModelRow(name, waiting=count) for name, count in waiting.items()}
    for worker in snapshot.workers:
        for coming in worker.record.arriving if worker.record else ():
            name = coming.model.partition("@")[0]
            models.setdefault(name, ModelRow(name)).arriving.append(f"{worker.worker_id} {describe_progress(coming)}")
    for stay in sorted(stays(snapshot), key=lambda stay: stay.idle_seconds):
        models.setdefault(stay.held.model, ModelRow(stay.held.model)).stays.append(stay)
    trends = snapshot.trends
    for name, model in models.items():
        model.loads, model.unloads = trends.loads.get(name, 0), trends.unloads.get(name, 0)
        model.swaps, model.window_uses = trends.swaps.get(name, 0), trends.uses.get(name, 0)
    return list(models.values())


def swaps_an_hour(swaps: int, watched_seconds: float | None) -> str:
    """What they come to in an hour; nothing before a minute was watched."""
    if watched_seconds is None or watched_seconds < LEAST_WATCHED_SECONDS:
        return ABSENT
    return format_count(round(3600 * swaps / watched_seconds))


def _row(model: ModelRow, watched_seconds: float | None) -> tuple[Cell, ...]:
    return (
        cell(model.name),
        count_cell(len(model.stays), "busy"),
        Cell(format_bytes(model.bytes) if model.stays else ABSENT),
        Cell(_last_used(model)),
        Cell(_ends(model)),
        count_cell(model.waiting, "wait"),
        Cell(model.hits),
        count_cell(model.loads, "warn" if model.thrashes else "plain"),
        count_cell(model.unloads, "plain"),
        Cell(swaps_an_hour(model.swaps, watched_seconds)),
        Cell(format_count(model.uses)),
        _where(model),
    )


def _last_used(model: ModelRow) -> str:
    """The latest use on any worker, and the oldest last use, which is lost first."""
    if not model.stays:
        return ABSENT
    latest, oldest = (model.stays[index].idle_seconds for index in (0, -1))
    if (ages := (_coarse(latest), _coarse(oldest)))[0] == ages[1]:
        return format_age(latest)
    return "-".join(ages)


def _coarse(seconds: float) -> str:
    """The one unit that matters: 51s, 10m, 3h."""
    return re.sub(r"(?<=[a-z]).*", "", format_age(seconds))


def _ends(model: ModelRow) -> str:
    """On how many it is pinned, else when the last one goes if it is not used."""
    if pinned := sum(stay.held.is_pinned for stay in model.stays):
        return PINNED if pinned == len(model.stays) else f"{PINNED} {pinned}"
    known = [stay.seconds_left for stay in model.stays if stay.seconds_left is not None]
    return format_age(max(known)) if known and len(known) == len(model.stays) else ABSENT


def _where(model: ModelRow) -> Cell:
    places = [f"{stay.worker.worker_id} {format_age(stay.idle_seconds)}" for stay in model.stays[:MOST_WORKERS]]
    coming = [f"+ {each}" for each in model.arriving[:MOST_ARRIVING]]
    return cell(", ".join([*coming, *places]) or ABSENT, "wait" if coming else "plain")
