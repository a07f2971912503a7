import json
import math

from monitor.core.formatting import cell_width
from monitor.core.plain import to_json, to_text
from monitor.core.snapshot import Snapshot, WorkerView
from settings.records import QueueCounts
from tests.monitor.cluster import record
from tests.monitor.hostile import HOSTILE_STRINGS


def counts(queue: str, dead: int = 0) -> QueueCounts:
    return QueueCounts(queue=queue, ready=1204, running=24, delayed=0, dead=dead)


def test_text_has_a_headline_and_two_aligned_tables() -> None:
    workers = (WorkerView("gpu-01-42", "live", 1.0, record("gpu-01-42")), WorkerView("gpu-02-7", "lost", 60.0))

    headline, *lines = to_text(Snapshot(at=60.0, queues=(counts("inference", dead=2),), workers=workers)).splitlines()

    assert headline.startswith("1970-01-01 ")
    assert headline.endswith("  2 workers  ✖ 1 lost  ✖ 2 dead")
    assert lines[4:6] == [
        "queue           ready  running  delayed     dead",
        "inference       1,204       24        0        2",
    ]
    assert lines[8].startswith("✖ lost      gpu-02-7        -  ")
    assert lines[9].startswith("○ idle      gpu-01-42       RTX 4090  ")
    assert len({len(line) for line in lines[7:]}) == 1


def test_an_empty_cluster_says_how_to_start_a_worker() -> None:
    assert to_text(Snapshot(at=60.0)).endswith("No workers yet: start one with `dramatiq actors`")


def test_hostile_strings_stay_in_their_columns() -> None:
    snapshot = Snapshot(
        at=60.0,
        queues=tuple(map(counts, HOSTILE_STRINGS)),
        workers=tuple(WorkerView(text, "live", 1.0, record(text, loading=text)) for text in HOSTILE_STRINGS),
    )

    text = to_text(snapshot)

    _, queues, workers = text.split("\n\n")
    for table in (queues, workers):
        assert len(table.splitlines()) == 1 + len(HOSTILE_STRINGS)
        assert len({cell_width(line) for line in table.splitlines()}) == 1
    assert all(line.isprintable() for line in text.split("\n"))


def test_json_holds_everything_in_plain_ascii() -> None:
    worker = WorkerView("\x1b\x9b日本", "late", 9.0, record("w", started_at=math.nan))

    text = to_json(Snapshot(at=60.0, queues=(counts("inference"),), workers=(worker, WorkerView("odd", "lost", 99.0))))

    assert text.isascii()
    assert "\x1b" not in text
    parsed = json.loads(text, parse_constant=lambda name: AssertionError(name))
    assert parsed["at"] == 60.0
    assert parsed["queues"][0] == {"queue": "inference", "ready": 1204, "running": 24, "delayed": 0, "dead": 0}
    assert [worker["liveness"] for worker in parsed["workers"]] == ["late", "lost"]
    assert parsed["workers"][0]["record"]["device"]["label"] == "NVIDIA GeForce RTX 4090"
    assert parsed["workers"][1]["record"] is None
