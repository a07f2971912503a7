"""A snapshot as text and as JSON, for pipes, logs and scripts."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

from pydantic import TypeAdapter

from monitor.core.queue_table import queue_table
from monitor.core.snapshot import Snapshot
from monitor.core.summary import summarise
from monitor.core.table import Cell, Table, table_lines
from monitor.core.trouble import Trouble
from monitor.core.trouble_table import trouble_table
from monitor.core.worker_table import worker_table

_SNAPSHOT = TypeAdapter(Snapshot)


def to_text(snapshot: Snapshot, troubles: Sequence[Trouble] = ()) -> str:
    """Aligned columns, each as wide as its content; what is wrong comes first."""
    headline = "  ".join(word.text for word in _headline(snapshot))
    tables = [*([trouble_table(troubles)] if troubles else []), queue_table(snapshot), worker_table(snapshot)]
    return "\n".join([headline, *(line for table in tables for line in ("", *_lines(table)))])


def to_json(snapshot: Snapshot, troubles: Sequence[Trouble] = ()) -> str:
    """Everything that is known, as a JSON object in plain ASCII."""
    # pydantic writes nan as null, which json does not; json escapes what a terminal would obey, which pydantic may not.
    fields = {**json.loads(_SNAPSHOT.dump_json(snapshot)), "troubles": [asdict(trouble) for trouble in troubles]}
    return json.dumps(fields, indent=2)


def _headline(snapshot: Snapshot) -> tuple[Cell, ...]:
    if snapshot.at is None:
        return summarise(snapshot)
    return Cell(f"{datetime.fromtimestamp(snapshot.at).astimezone():%Y-%m-%d %H:%M:%S%z}"), *summarise(snapshot)


def _lines(table: Table) -> Iterator[str]:
    yield from table_lines(table)
    if not table.rows and table.empty:
        yield table.empty
