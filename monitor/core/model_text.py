"""All that is known of one model, as text: who holds it and for how long, what waits for it, how it is used."""

import sys
from collections.abc import Iterator

from monitor.core.formatting import ABSENT, format_age, format_bytes, format_count, printable
from monitor.core.model_stays import Stay
from monitor.core.model_table import ModelRow, model_rows, swaps_an_hour
from monitor.core.snapshot import Snapshot
from monitor.core.table import Cell, Column, Table, cell, table_lines
from monitor.core.worker_table import worker_state

COLUMNS = (
    Column("worker", least=12, most=40, rank=0),
    Column("state", least=6, most=13, rank=1),
    Column("memory", least=8, most=10, rank=2, right=True),
    Column("last used", least=9, most=9, rank=3, right=True),
    Column("uses", least=4, most=12, rank=4, right=True),
    Column("stays", least=6, most=6, rank=5, right=True),
    Column("loaded", least=6, most=6, rank=6, right=True),
    Column("dtype", least=8, most=12, rank=7),
    Column("revision", least=8, most=12, rank=8),
)


def model_text(snapshot: Snapshot, name: str, width: int = sys.maxsize) -> str:
    """Also for a model that is neither in memory nor waited for any more."""
    model = next((row for row in model_rows(snapshot) if row.name == name), None)
    if model is None:
        return "This model is not in memory, and no task waits for it."
    return "\n".join(map(printable, _lines(snapshot, model, width)))


def _lines(snapshot: Snapshot, model: ModelRow, width: int) -> Iterator[str]:
    if model.thrashes:
        yield f"▲ thrash: loaded {model.loads} times in ten minutes, so the models in use do not fit together"
    lanes = [lane for lane in snapshot.lanes if lane.model == model.name]
    running = sum(lane.running for lane in lanes)
    yield f"tasks     {format_count(model.waiting)} wait, {format_count(running)} run"
    yield from _of_late(snapshot, model)
    places = f"{format_bytes(model.bytes)} on {len(model.stays)} worker{'' if len(model.stays) == 1 else 's'}"
    yield f"memory    {places if model.stays else ABSENT}"
    yield from ("", f"In memory on ({len(model.stays)}), the one that was used longest ago last")
    if model.stays:
        yield from table_lines(Table(COLUMNS, [_row(stay) for stay in model.stays]), width)
        yield "stays: pinned, or the time left if nobody uses it, or - until its room is needed"
    if model.arriving:
        yield from ("", f"On its way to ({len(model.arriving)})", *(f"+ {each}" for each in model.arriving))


def _of_late(snapshot: Snapshot, model: ModelRow) -> Iterator[str]:
    if (watched := snapshot.trends.watched_seconds) is None:
        yield "use       not watched for long enough to tell"
        return
    swaps = swaps_an_hour(model.swaps, watched)
    counts = f"{model.loads} loads, {model.unloads} unloads, {model.swaps} swaps ({swaps} an hour)"
    found = f"{model.hits} of {format_count(model.window_uses)} uses found it in memory"
    yield f"use       {counts}, {found}, all in the last {format_age(watched)}"


def _row(stay: Stay) -> tuple[Cell, ...]:
    held = stay.held
    return (
        cell(stay.worker.worker_id),
        worker_state(stay.worker),
        Cell(format_bytes(held.bytes)),
        Cell(format_age(stay.idle_seconds)),
        Cell(format_count(held.uses)),
        Cell(stay.ends),
        Cell(format_age(stay.loaded_seconds)),
        cell(held.dtype),
        cell(held.revision[:12]),
    )
