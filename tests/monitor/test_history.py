from monitor.core.history import LOADS_SECONDS, RATE_SECONDS, History
from monitor.core.snapshot import LaneView, Snapshot, Trends, WorkerView
from settings.records import WorkerRecord
from tests.monitor.cluster import model, record


def reading(at: float, worker: WorkerRecord, ready: int = 0) -> Snapshot:
    lane = LaneView("inference.normal.org/a", "inference", "normal", "org/a", ready=ready)
    return Snapshot(at=at, workers=(WorkerView("w", "live", 1.0, worker),), lanes=(lane,))


def test_before_some_seconds_were_watched_no_rate_is_told() -> None:
    history = History()
    history.observe(reading(0.0, record("w", done=0)))

    assert history.observe(reading(2.0, record("w", done=100))) == Trends()


def test_rates_are_those_of_the_last_minute() -> None:
    history = History()
    for second in range(0, 200, 2):
        trends = history.observe(reading(float(second), record("w", done=2 * second, failed=second // 2)))

    assert trends.done_per_minute == 120
    assert trends.failed_per_minute == 30
    assert len(history._moments) <= RATE_SECONDS / 2 + 1


def test_the_trend_has_a_rate_each_ten_seconds_for_ten_minutes() -> None:
    history = History()
    for second in range(0, 1000, 2):
        trends = history.observe(reading(float(second), record("w", done=2 * second, failed=max(0, second - 980))))

    assert trends.done_trend == (120.0,) * 60
    assert trends.failed_trend[-2:] == (0.0, 60.0)


def test_a_worker_that_begins_anew_takes_nothing_away() -> None:
    history = History()
    history.observe(reading(0.0, record("w", done=1000)))

    assert history.observe(reading(60.0, record("w", done=0))).done_per_minute == 0


def test_a_lane_that_grows_is_told_by_how_much_a_minute() -> None:
    history = History()
    history.observe(reading(0.0, record("w"), ready=10))

    assert history.observe(reading(30.0, record("w"), ready=30)).growth_per_minute == {"inference.normal.org/a": 40.0}


def test_loads_are_counted_for_ten_minutes_from_the_second_look_on() -> None:
    history = History()
    seen = model("org/a")
    history.observe(reading(0.0, record("w", models=(seen,))))
    for second in (1.0, 2.0, 3.0):
        again = seen.model_copy(update={"loaded_at": second})
        trends = history.observe(reading(second, record("w", models=(again, model("org/b")))))

    assert trends.loads == {"org/a": 3, "org/b": 1}
    assert history.observe(reading(LOADS_SECONDS + 4, record("w"))).loads == {}
