"""What is followed from reading to reading is what a look at the last one alone tells."""

from dataclasses import replace
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.changes import ChangeWatch
from monitor.core.known_workers import LOST_FOR_SECONDS, KnownWorkers
from monitor.core.observer import Observer
from monitor.core.snapshot import LaneView, Snapshot, WorkerView
from monitor.core.totals import TotalsWatch, sum_up
from monitor.core.trouble_finder import TroubleFinder
from settings import keys
from settings.records import QueueCounts, TaskRecord
from tests.monitor.cluster import DEVICE, GIB, record

STUCK = TaskRecord(message_id="b4692f0c", actor="generate", started_at=0.0)
FULL = DEVICE.model_copy(update={"memory_used": 24 * GIB})
SILENT = DEVICE.model_copy(update={"memory_used": None})
CPU = DEVICE.model_copy(update={"backend": "cpu"})
LOOKS = {
    "idle": WorkerView("", "live", 59.0, record("")),
    "busy": WorkerView("", "live", 58.0, record("", state="busy", device=SILENT)),
    "stuck": WorkerView("", "live", 57.0, record("", state="busy", running=(STUCK,), sent_at=900.0)),
    "full": WorkerView("", "live", 59.5, record("", device=FULL), 60.0),
    "on its CPU": WorkerView("", "live", 56.0, record("", device=CPU)),
    "quarantined": WorkerView("", "live", 55.0, record("", state="quarantined")),
    "late": WorkerView("", "late", 50.0, record("", device=FULL)),
    "lost": WorkerView("", "lost", 20.0),
    "of another version": WorkerView("", "live", 54.0),
}
NAMES = [f"gpu-{number}" for number in range(6)]
LANE = LaneView("inference.normal.org/a", keys.INFERENCE_QUEUE, "normal", "org/a", ready=2, dead=1, oldest_seconds=3.0)
QUEUE = QueueCounts(queue=keys.INFERENCE_QUEUE, ready=2, running=0, delayed=0, dead=1)


@cache
def known_worker(name: str, look: str) -> WorkerView:
    """The same object in all readings in which nothing has changed."""
    return replace(LOOKS[look], worker_id=name)


@st.composite
def workers(draw: st.DrawFn) -> tuple[WorkerView, ...]:
    """Those of a reading, some of them objects of their own, as all are in a recording."""
    looks = draw(st.dictionaries(st.sampled_from(NAMES), st.tuples(st.sampled_from(list(LOOKS)), st.booleans())))
    known = ((known_worker(name, look), is_new) for name, (look, is_new) in looks.items())
    return tuple(replace(worker) if is_new else worker for worker, is_new in known)


READINGS = st.lists(st.tuples(workers(), st.booleans()), max_size=8)


@given(READINGS)
def test_sums_and_troubles_that_follow_the_changes_are_those_of_the_reading_alone(
    readings: list[tuple[tuple[WorkerView, ...], bool]],
) -> None:
    observer, watch, finder = Observer(), TotalsWatch(), TroubleFinder(300.0)
    for there, is_shown in readings:
        reading = observer.observe(Snapshot(at=60.0, queues=(QUEUE,), workers=there, lanes=(LANE,)))
        if is_shown:
            assert watch.sum_up(reading) == sum_up(reading)
            assert finder.find(reading) == TroubleFinder(300.0).find(reading)
            assert finder.find_troubled(reading) == TroubleFinder(300.0).find_troubled(reading)


@given(READINGS)
def test_changes_lead_from_the_workers_before_to_those_now(
    readings: list[tuple[tuple[WorkerView, ...], bool]],
) -> None:
    observer, watch, followed = Observer(), ChangeWatch(), dict[str, WorkerView]()
    for there, is_shown in readings:
        reading = observer.observe(Snapshot(at=60.0, workers=there))
        if is_shown:
            changes = watch.compare(reading)
            for worker in changes.left:
                assert followed.pop(worker.worker_id) is worker
            for before, now in changes.pairs:
                assert followed.get(now.worker_id) is before
                followed[now.worker_id] = now
            assert sorted(map(id, followed.values())) == sorted(map(id, there))


def test_what_a_reading_tells_of_changes_is_not_taken_for_another_one() -> None:
    watch, observer = ChangeWatch(), Observer()
    first = observer.observe(Snapshot(workers=(known_worker("a", "idle"), known_worker("b", "idle"))))
    only_b = replace(first, workers=first.workers[1:])

    assert [now.worker_id for _, now in watch.compare(only_b).pairs] == ["b"]
    assert [now.worker_id for _, now in watch.compare(first).pairs] == ["a"]
    assert watch.compare(replace(first, at=2.0)).pairs == ()


BEATS = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.sampled_from([0.0, 3.0, 10.0, 40.0, LOST_FOR_SECONDS + 1]), st.booleans()),
)


@given(st.lists(BEATS, max_size=8))
def test_what_was_fetched_tells_what_has_changed(readings: list[dict[str, tuple[float, bool]]]) -> None:
    known, watch, now = KnownWorkers(), ChangeWatch(), 10_000.0
    for second, looks in enumerate(readings):
        ages = sorted(((age, name.encode(), has_record) for name, (age, has_record) in looks.items()), reverse=True)
        beats = {name: now - age for age, name, _ in ages}
        texts = {name: record(name.decode()).to_json().encode() if has_record else None for _, name, has_record in ages}

        stale = known.choose_stale(beats, now + second)
        told = known.update(beats, [(name, texts[name]) for name in stale], now + second)
        seen = watch.compare(Snapshot(workers=told.now))

        assert set(map(named, told.pairs)) == set(map(named, seen.pairs))
        assert told.left == seen.left
        assert told.before == seen.before


def named(pair: tuple[WorkerView | None, WorkerView]) -> tuple[int | None, int]:
    before, now = pair
    return before and id(before), id(now)
