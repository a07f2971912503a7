"""A snapshot as text and as JSON, for pipes, logs and scripts."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

from pydantic import TypeAdapter

from monitor.core.event_table import event_table
from monitor.core.queue_table import queue_table
from monitor.core.snapshot import Snapshot
from monitor.core.summary import summarise
from monitor.core.table import GAP, Cell, Table, table_lines
from monitor.core.totals import Totals, sum_up
from monitor.core.totals_text import known_lines
from monitor.core.trouble import Trouble
from monitor.core.trouble_table import trouble_table
from monitor.core.worker_table import worker_table

_SNAPSHOT = TypeAdapter(Snapshot)

#: What the exit code is made of, below the troubles.
EXIT_CODE = "Exit code 1 for any ✖; ▲ alone are warnings, with exit code 0."


def to_text(snapshot: Snapshot, troubles: Sequence[Trouble] = ()) -> str:
    """Aligned columns, each as wide as its content; what is wrong comes first."""
    sums = sum_up(snapshot)
    headline = "  ".join(word.text for word in _headline(snapshot.at, sums))
    told = [[*_lines(trouble_table(troubles)), EXIT_CODE]] if troubles else []
    totals = ["".join(piece.text for piece in line)[GAP:].rstrip() for line in known_lines(sums, snapshot.trends)]
    happened = [_lines(event_table(snapshot))] if snapshot.events or snapshot.audit else []
    blocks = ([headline, *totals], *told, _lines(queue_table(snapshot)), _lines(worker_table(snapshot)), *happened)
    return "\n\n".join("\n".join(lines) for lines in blocks)


def to_json(snapshot: Snapshot, troubles: Sequence[Trouble] = ()) -> str:
    """Everything that is known, as a JSON object in plain ASCII."""
    # pydantic writes nan as null, which json does not; json escapes what a terminal would obey, which pydantic may not.
    known = json.loads(_SNAPSHOT.dump_json(snapshot))
    for worker, fields in zip(snapshot.workers, known["workers"], strict=True):
        fields["age_seconds"] = worker.age_seconds(snapshot.at)
    derived = {"totals": asdict(sum_up(snapshot)), "troubles": [asdict(trouble) for trouble in troubles]}
    return json.dumps({**known, **derived}, indent=2)


def _headline(at: float | None, sums: Totals) -> tuple[Cell, ...]:
    if at is None:
        return summarise(sums)
    return Cell(f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S%z}"), *summarise(sums)


def _lines(table: Table) -> Iterator[str]:
    yield from table_lines(table)
    if not table.rows and table.empty:
        yield table.empty
