import pytest

from monitor.core.durations import WINDOW_SECONDS, Durations
from monitor.core.observer import Observer
from monitor.core.snapshot import LaneView, Snapshot, WorkerView
from monitor.core.spread import Spread, Waits, format_spread, percentile, spread_of
from settings.records import TaskRecord
from tests.monitor.cluster import record


def lane(name: str, oldest_seconds: float | None) -> LaneView:
    return LaneView(name, "inference", oldest_seconds=oldest_seconds)


@pytest.mark.parametrize(
    ("values", "p50", "p95"),
    [
        ([7.0], 7.0, 7.0),
        ([1.0, 2.0], 1.0, 2.0),
        ([1.0, 2.0, 3.0], 2.0, 3.0),
        ([*map(float, range(1, 101))], 50.0, 95.0),
    ],
)
def test_a_percentile_is_one_of_the_values(values: list[float], p50: float, p95: float) -> None:
    assert (percentile(values, 50), percentile(values, 95)) == (p50, p95)


def test_of_nothing_there_are_no_percentiles() -> None:
    assert spread_of([], 600.0) is None
    assert Durations().observe([lane("a", None)], [], 100.0) == Waits()


def test_percentiles_are_told_with_what_they_are_based_on() -> None:
    assert format_spread(Spread(12.0, 192.0, 1204, 600.0)) == "p50 12s p95 3m12s (n 1,204, 10m00s)"


def test_lanes_are_looked_at_every_few_seconds_and_told_each_and_together() -> None:
    durations = Durations()
    for second in range(101):
        waits = durations.observe([lane("a", 10.0), lane("b", float(second)), lane("c", None)], [], 1000.0 + second)

    assert waits.waited_in == {"a": Spread(10.0, 10.0, 21, 100.0), "b": Spread(50.0, 95.0, 21, 100.0)}
    assert waits.waited is not None
    assert (waits.waited.count, waits.waited.p95_seconds) == (42, 90.0)


def test_what_was_ten_minutes_ago_is_forgotten() -> None:
    durations = Durations()
    durations.observe([lane("a", 10.0)], [3.0], 1000.0)

    waits = durations.observe([], [], 1001.0 + WINDOW_SECONDS)

    assert waits == Waits()


def test_a_task_that_has_gone_was_in_hand_until_the_middle_between_two_beats() -> None:
    task, history = TaskRecord(message_id="m", actor="embed", started_at=90.0), Observer()
    beats = (record("w", running=(task,), sent_at=100.0), record("w", sent_at=102.0), record("w", sent_at=112.0))

    for at, beat in zip((100.0, 102.0, 112.0), beats, strict=True):
        trends = history.observe(Snapshot(at=at, workers=(WorkerView("w", "live", 0.0, beat),))).trends

    assert trends.waits.in_hand == Spread(11.0, 11.0, 1, 12.0)
