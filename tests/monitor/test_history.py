from dataclasses import replace

import pytest

from monitor.core.history import RATE_SECONDS
from monitor.core.model_history import WINDOW_SECONDS
from monitor.core.observer import Observer
from monitor.core.passive_workers import PASSIVE_SECONDS
from monitor.core.snapshot import LaneView, Liveness, Snapshot, Trends, WorkerView
from settings.records import WorkerRecord
from tests.monitor.cluster import DEVICE, model, record


def reading(at: float, worker: WorkerRecord, ready: int = 0) -> Snapshot:
    lane = LaneView("inference.normal.org/a", "inference", "normal", "org/a", ready=ready)
    return Snapshot(at=at, workers=(WorkerView("w", "live", 1.0, worker),), lanes=(lane,))


def test_before_some_seconds_were_watched_no_rate_is_told() -> None:
    history = Observer()
    history.observe(reading(0.0, record("w", done=0)))

    assert history.observe(reading(2.0, record("w", done=100))).trends == Trends()


def test_rates_are_those_of_the_last_minute() -> None:
    history = Observer()
    for second in range(0, 200, 2):
        trends = history.observe(reading(float(second), record("w", done=2 * second, failed=second // 2))).trends

    assert trends.done_per_minute == 120
    assert trends.failed_per_minute == 30
    assert len(history._history._moments) <= RATE_SECONDS / 2 + 1


def test_the_trend_has_a_rate_each_ten_seconds_for_ten_minutes() -> None:
    history = Observer()
    for second in range(0, 1000, 2):
        trends = history.observe(
            reading(float(second), record("w", done=2 * second, failed=max(0, second - 980)))
        ).trends

    assert trends.done_trend == (120.0,) * 60
    assert trends.failed_trend[-2:] == (0.0, 60.0)


def test_a_worker_that_begins_anew_takes_nothing_away() -> None:
    history = Observer()
    history.observe(reading(0.0, record("w", done=1000)))

    assert history.observe(reading(60.0, record("w", done=0))).trends.done_per_minute == 0


def test_a_lane_that_grows_is_told_by_how_much_a_minute() -> None:
    history = Observer()
    history.observe(reading(0.0, record("w"), ready=10))

    assert history.observe(reading(30.0, record("w"), ready=30)).trends.growth_per_minute == {
        "inference.normal.org/a": 40.0
    }


def test_loads_are_counted_for_ten_minutes_from_the_second_look_on() -> None:
    history = Observer()
    seen = model("org/a")
    history.observe(reading(0.0, record("w", models=(seen,))))
    for second in (1.0, 2.0, 3.0):
        again = seen.model_copy(update={"loaded_at": second})
        trends = history.observe(reading(second, record("w", models=(again, model("org/b"))))).trends

    assert trends.loads == {"org/a": 3, "org/b": 1}
    assert history.observe(reading(WINDOW_SECONDS + 4, record("w"))).trends.loads == {}


def test_a_model_that_leaves_for_another_is_an_unload_and_the_other_a_swap() -> None:
    history = Observer()
    a, b = model("org/a"), model("org/b").model_copy(update={"loaded_at": 4.0})
    history.observe(reading(0.0, record("w", models=(a,))))
    history.observe(reading(2.0, record("w", loading="org/b@main")))
    trends = history.observe(reading(4.0, record("w", models=(b,)))).trends

    assert trends.unloads == {"org/a": 1}
    assert (trends.loads, trends.swaps) == ({"org/b": 1}, {"org/b": 1})


def test_a_model_that_comes_into_free_room_is_no_swap() -> None:
    history = Observer()
    a = model("org/a")
    history.observe(reading(0.0, record("w", models=(a,))))
    history.observe(reading(2.0, record("w")))
    trends = history.observe(reading(4.0, record("w", models=(model("org/b"),)))).trends

    assert (trends.unloads, trends.loads, trends.swaps) == ({"org/a": 1}, {"org/b": 1}, {})


def test_uses_are_those_that_were_seen_to_come() -> None:
    history = Observer()
    for second, uses in ((0.0, 100), (20.0, 130), (40.0, 131)):
        held = model("org/a").model_copy(update={"uses": uses})
        trends = history.observe(reading(second, record("w", models=(held,)))).trends

    assert trends.uses == {"org/a": 31}
    assert trends.watched_seconds == 40.0
    assert history.observe(reading(641.0, record("w"))).trends.uses == {}


def test_a_workers_states_and_minutes_are_told_since_it_was_first_seen() -> None:
    history = Observer()
    running = {"message_id": "m", "actor": "embed", "started_at": 0.0}
    for second in range(0, 121, 2):
        is_loading = 30 <= second < 40
        history.observe(
            reading(
                1000.0 + second,
                record(
                    "w",
                    state="loading" if is_loading else "busy" if second % 4 else "idle",
                    running=(running,) if second < 60 else (),
                    done=second,
                    device={**DEVICE.model_dump(), "busy_percent": float(second)},
                ),
            )
        )
    told = history.of_worker("w")

    assert told is not None
    assert told.since == 1000.0
    assert [(change.at, change.state) for change in told.changes] == [
        (1000.0, "serving"),
        (1030.0, "loading"),
        (1040.0, "serving"),
    ]
    assert [(minute.begin, minute.done) for minute in told.minutes] == [(1000.0, 58), (1060.0, 60), (1120.0, 2)]
    assert [minute.busy_share for minute in told.minutes] == [100.0, 0.0, 0.0]
    assert [minute.gpu_percent for minute in told.minutes] == [58.0, 118.0, 120.0]
    assert history.of_worker("another") is None


def test_a_worker_that_goes_quiet_and_comes_back_has_a_history_of_it() -> None:
    history, here = Observer(), record("w")
    states: tuple[tuple[float, Liveness], ...] = ((0.0, "live"), (8.0, "late"), (40.0, "lost"), (50.0, "live"))
    for second, liveness in states:
        worker = WorkerView("w", liveness, 0.0, None if liveness == "lost" else here)
        history.observe(Snapshot(at=second, workers=(worker,)))
    told = history.of_worker("w")

    assert told is not None
    assert [change.state for change in told.changes] == ["serving", "late", "lost", "serving"]


def test_an_idle_worker_that_takes_nothing_of_what_it_holds_is_passive_after_a_minute() -> None:
    history = Observer()
    for second in range(0, 130, 2):
        trends = history.observe(reading(float(second), record("w", models=(model("org/a"),)), ready=3)).trends
        assert bool(trends.passive) == (second >= PASSIVE_SECONDS)
    assert trends.passive == {"w": 128.0}

    took_one = reading(130.0, record("w", models=(model("org/a"),), done=1), ready=3)
    assert history.observe(took_one).trends.passive == {}


@pytest.mark.parametrize("why", ["nothing waits", "not held", "busy", "draining", "paused", "not watched"])
def test_a_worker_with_a_reason_to_take_nothing_is_not_passive(why: str) -> None:
    state = why if why in ("busy", "draining") else "idle"
    models = () if why == "not held" else (model("org/a"),)
    history = Observer()
    for second in range(0, 200, 20 if why == "not watched" else 5):
        now = reading(float(second), record("w", models=models, state=state), 0 if why == "nothing waits" else 3)
        lanes = tuple(replace(lane, is_paused=why == "paused") for lane in now.lanes)
        assert history.observe(replace(now, lanes=lanes)).trends.passive == {}
