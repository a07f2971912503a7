from dataclasses import replace

import pytest

from monitor.core import rewind as rewind_module
from monitor.core.rewind import CHAPTER, REMEMBERED_SECONDS, Rewind
from monitor.core.snapshot import Snapshot, WorkerView
from settings.records import LATE_AFTER_SECONDS
from tests.monitor.cluster import record
from tests.monitor.examples import CLUSTER
from tests.monitor.hostile import HOSTILE_STRINGS


def test_a_reading_comes_back_as_it_was() -> None:
    rewind = Rewind()
    rewind.remember(CLUSTER)

    assert rewind.recall(0) == CLUSTER
    assert rewind.times() == (1000.0,)


def test_workers_that_were_not_heard_of_grow_older_and_late() -> None:
    rewind, silent, beating = Rewind(), record("silent"), [record("beating", done=second) for second in range(30)]
    for second in range(30):
        workers = (
            WorkerView("silent", "live" if second <= LATE_AFTER_SECONDS else "late", 100.0, silent),
            WorkerView("beating", "live", 100.0 + second, beating[second]),
            *([WorkerView("lost", "lost", 40.0)] if second < 25 else []),
        )
        rewind.remember(Snapshot(at=100.0 + second, workers=workers))

    for second in (0, 3, 7, CHAPTER - 1, CHAPTER, 29):
        snapshot = rewind.recall(second)
        assert snapshot is not None
        workers = {worker.worker_id: worker for worker in snapshot.workers}
        assert workers["silent"].age_seconds(snapshot.at) == second
        assert workers["silent"].liveness == ("live" if second <= LATE_AFTER_SECONDS else "late")
        assert workers["beating"].record == beating[second]
        assert ("lost" in workers) == (second < 25)


def test_ten_minutes_are_remembered() -> None:
    rewind = Rewind()
    for second in range(2000):
        rewind.remember(Snapshot(at=float(second)))

    assert REMEMBERED_SECONDS <= len(rewind) <= REMEMBERED_SECONDS + 2 * CHAPTER
    assert rewind.times()[-1] == 1999.0
    assert rewind.recall(len(rewind)) is None


def test_readings_that_come_fast_or_failed_are_left_out() -> None:
    rewind = Rewind()
    for tenth in range(100):
        rewind.remember(Snapshot(at=tenth / 10))
    rewind.remember(replace(CLUSTER, error="Redis does not answer"))
    rewind.remember(Snapshot())

    assert 10 <= len(rewind) <= 12


def test_what_takes_too_much_memory_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewind_module, "MOST_BYTES", 100_000)
    rewind = Rewind()
    for second in range(600):
        rewind.remember(replace(CLUSTER, at=float(second)))

    assert CHAPTER <= len(rewind) < 600
    assert rewind._size <= 100_000
    assert rewind.times()[-1] == 599.0


def test_a_record_whose_text_is_known_comes_back_by_its_text() -> None:
    rewind, here = Rewind(), record("w", done=3)
    known = WorkerView("w", "live", 1.0, here, 0.5, here.to_json().encode())
    unreadable = WorkerView("odd", "live", 1.0, None, None, b"of another version")
    rewind.remember(Snapshot(at=2.0, workers=(known, unreadable)))

    snapshot = rewind.recall(0)

    assert snapshot == Snapshot(at=2.0, workers=(known, unreadable))
    assert [worker.text for worker in snapshot.workers] == [known.text, unreadable.text]


def test_hostile_records_are_remembered_too() -> None:
    rewind = Rewind()
    workers = tuple(WorkerView(text, "live", 1.0, record(text, sent_at=float("inf"))) for text in HOSTILE_STRINGS)
    rewind.remember(Snapshot(at=1.0, workers=workers))

    assert rewind.recall(0) == Snapshot(at=1.0, workers=workers)
