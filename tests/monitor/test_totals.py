import json
from typing import Any

import pytest

from monitor.core.formatting import cell_width
from monitor.core.plain import to_json, to_text
from monitor.core.snapshot import Snapshot, Trends, WorkerView
from monitor.core.spread import Spread, Waits
from monitor.core.table import Cell
from monitor.core.totals import Totals, sum_up
from monitor.core.totals_text import WIDE, fit_line, totals_lines
from tests.monitor.cluster import DEVICE, GIB, record
from tests.monitor.examples import CLUSTER
from tests.monitor.hostile import HOSTILE_STRINGS


def worker(name: str, **fields: Any) -> WorkerView:
    return WorkerView(name, "live", 1.0, record(name, **fields))


def lines(snapshot: Snapshot, room: int = 80) -> list[str]:
    return ["".join(piece.text for piece in line).rstrip() for line in totals_lines(snapshot, sum_up(snapshot), room)]


def test_a_cluster_is_summed_up() -> None:
    assert sum_up(CLUSTER) == Totals(
        workers={"lost": 1, "busy": 1, "idle": 1},
        waiting=1204,
        first_waits_seconds=41.0,
        running=24,
        delayed=3,
        dead=3,
        gpus=2,
        gpus_untold=0,
        memory_used=24 * GIB,
        memory_total=48 * GIB,
    )


def test_workers_are_counted_by_state_with_glyph_word_and_tone_trouble_first() -> None:
    workers = (worker("a", state="busy"), worker("b", state="busy"), WorkerView("c", "late", 9.0, record("c")))
    snapshot = Snapshot(at=1.0, workers=workers)
    line = totals_lines(snapshot, sum_up(snapshot), 80)[0]

    assert "".join(piece.text for piece in line).strip() == "workers  ▲ 1 late  ● 2 busy"
    assert Cell("▲ 1 late", "warn") in line


def test_a_gpu_that_cannot_tell_its_memory_is_in_no_sum_and_counted() -> None:
    silent = DEVICE.model_copy(update={"memory_used": None})
    told, alone = (worker("a"), worker("b", device=silent)), (worker("b", device=silent),)

    assert lines(Snapshot(at=1.0, workers=told))[2] == (
        "  GPUs     2  ██████████░░░░░░░░░░  12.0/24.0 GiB  50%  1 of 2 cannot tell"
    )
    assert lines(Snapshot(at=1.0, workers=alone))[2] == "  GPUs     1  -  1 of 1 cannot tell"


def test_before_the_first_answer_nothing_is_known_and_nothing_is_zero() -> None:
    assert [line.split() for line in lines(Snapshot())] == [
        ["workers", "-"],
        ["tasks", "-"],
        ["GPUs", "-"],
        ["per", "min", "-"],
        ["times", "-"],
    ]


def test_the_hosts_memory_is_no_gpus() -> None:
    cpu = DEVICE.model_copy(update={"backend": "cpu", "name": "cpu"})

    assert lines(Snapshot(at=1.0, workers=(worker("a", device=cpu),)))[2] == "  GPUs     0  -"


def test_rates_are_told_with_their_trend_and_its_scale() -> None:
    trends = Trends(312.4, 2.0, done_trend=(280.0, 312.4), failed_trend=(0.0, 2.0))

    assert lines(Snapshot(at=1.0, trends=trends))[3] == "  per min  done 312 ▅▅ of 500  failed 2 ▁▂ of 10"
    assert lines(Snapshot(at=1.0))[3] == "  per min  done -  failed -"


def test_percentiles_are_told_with_their_basis_and_a_dash_when_there_are_none() -> None:
    waits = Waits(Spread(12.0, 41.0, 120, 600.0), {}, None)

    assert lines(Snapshot(at=1.0, trends=Trends(waits=waits)))[4] == (
        "  times    wait p50 12s p95 41s (n 120, 10m00s)  in hand -"
    )


@pytest.mark.parametrize("room", [60, 80, WIDE - 1, WIDE, 161])
@pytest.mark.parametrize("snapshot", [CLUSTER, Snapshot(), Snapshot(at=1.0)])
def test_every_line_is_as_wide_as_its_room(snapshot: Snapshot, room: int) -> None:
    drawn = totals_lines(snapshot, sum_up(snapshot), room)

    assert len(drawn) == (3 if room >= WIDE else 5)
    assert {sum(cell_width(piece.text) for piece in line) for line in drawn} == {room}


def test_what_has_no_room_leaves_an_ellipsis() -> None:
    line = (Cell("workers "), Cell("● 9 busy"), Cell("  "), Cell("○ 1 idle"))

    assert "".join(piece.text for piece in fit_line(line, 20)) == "workers ● 9 busy  … "
    assert "".join(piece.text for piece in fit_line(line, 26)) == "workers ● 9 busy  ○ 1 idle"


def test_what_broken_records_say_breaks_nothing() -> None:
    device = {"name": "x", "backend": "cuda", "label": "x", "memory_used": 10**30, "memory_total": -1}
    snapshot = Snapshot(at=1.0, workers=tuple(worker(text, device=device) for text in HOSTILE_STRINGS))

    assert all(line.isprintable() for line in lines(snapshot))


def test_one_reading_tells_what_it_can_as_text_and_as_json() -> None:
    snapshot = Snapshot(at=1.0, workers=(worker("a"),))

    text = to_text(snapshot).splitlines()

    assert text[1:4] == [
        "workers  ○ 1 idle",
        "tasks    0 waiting  0 running  0 delayed  0 dead",
        "GPUs     1  ██████████░░░░░░░░░░  12.0/24.0 GiB  50%",
    ]
    assert text[4] == ""
    assert json.loads(to_json(snapshot))["totals"]["memory_total"] == 24 * GIB
    assert json.loads(to_json(snapshot))["totals"]["first_waits_seconds"] is None
