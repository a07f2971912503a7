from dataclasses import replace
from typing import Any

import pytest

from monitor.core.lane_table import lane_table
from monitor.core.model_table import model_table
from monitor.core.queue_table import queue_table
from monitor.core.snapshot import LaneView, RedisView, Snapshot, Trends, WorkerView
from monitor.core.task_table import task_table
from monitor.core.trouble_finder import TroubleFinder
from monitor.core.view import View
from monitor.core.worker_table import worker_table
from settings.records import ArrivingModel, QueueCounts, TaskRecord
from tests.monitor.cluster import DEVICE, GIB, model, record
from tests.monitor.demo_example import demo_snapshot

TASK_SECONDS = 300.0
SERVES = {"queues": ("inference", "control")}


def worker(name: str = "gpu-01-42", **fields: Any) -> WorkerView:
    return WorkerView(name, "live", 59.0, record(name, **{**SERVES, **fields}), 0.1)


def waiting(queue: str = "inference", ready: int = 3) -> QueueCounts:
    return QueueCounts(queue=queue, ready=ready, running=0, delayed=0, dead=0)


HEALTHY = Snapshot(at=60.0, queues=(waiting(),), workers=(worker(),))


def troubles(**changes: Any) -> list[tuple[str, str, str]]:
    found = TroubleFinder(TASK_SECONDS).find(replace(HEALTHY, **changes))
    return [(trouble.severity, trouble.kind, trouble.about) for trouble in found]


def text(**changes: Any) -> str:
    (trouble,) = TroubleFinder(TASK_SECONDS).find(replace(HEALTHY, **changes))
    return trouble.text


def test_a_healthy_cluster_has_none() -> None:
    assert troubles() == []


def test_a_lost_worker_says_since_when_and_what_happens_to_its_tasks() -> None:
    lost = WorkerView("gpu-02-7", "lost", 60.0 - 192.0)

    assert text(workers=(worker(), lost)).startswith("last beat 3m12s ago, no goodbye: its process or host has died")
    assert troubles(workers=(worker(), lost)) == [("bad", "lost", "gpu-02-7")]


def test_a_late_worker_is_a_warning() -> None:
    assert troubles(workers=(replace(worker(), liveness="late", beat_at=51.0),)) == [("warn", "late", "gpu-01-42")]


def test_a_late_worker_whose_clock_is_off_is_told_with_both() -> None:
    late = replace(worker(), liveness="late", beat_at=51.0, clock_offset_seconds=3600.0)

    assert troubles(workers=(late,)) == [("warn", "late", "gpu-01-42"), ("warn", "clock", "gpu-01-42")]


def test_a_late_worker_tells_what_was_wrong_when_it_fell_silent() -> None:
    late = replace(worker(state="quarantined"), liveness="late", beat_at=51.0)

    assert ("bad", "quarantine", "gpu-01-42") in troubles(workers=(late,))


def test_what_a_worker_told_is_looked_at_again_when_it_tells_something_new() -> None:
    finder, bad, good = TroubleFinder(TASK_SECONDS), worker(state="quarantined"), worker()

    kinds = [
        [trouble.kind for trouble in finder.find(replace(HEALTHY, workers=(now,)))] for now in (bad, bad, good, bad)
    ]

    assert [kind for found in kinds[:2] for kind in found if kind == "quarantine"] == ["quarantine"] * 2
    assert "quarantine" not in kinds[2]
    assert "quarantine" in kinds[3]


def test_a_record_of_another_version_says_what_to_update() -> None:
    assert troubles(workers=(worker(), WorkerView("odd", "live", 1.0))) == [("warn", "version", "odd")]


@pytest.mark.parametrize(
    "workers",
    [
        (),
        (worker(state="draining"),),
        (worker(state="standby"), worker("b", state="control")),
        (worker(queues=("control",)),),
        (WorkerView("odd", "live", 1.0),),
    ],
)
def test_tasks_that_no_live_worker_would_take_are_told(workers: tuple[WorkerView, ...]) -> None:
    assert ("bad", "unserved", "inference") in troubles(workers=workers)


def test_workers_without_a_device_serve_the_other_queues() -> None:
    assert troubles(queues=(waiting("control"),), workers=(worker(state="control"),)) == []


def test_a_quarantined_device_is_told_and_takes_no_inference() -> None:
    assert troubles(workers=(worker(state="quarantined"),)) == [
        ("bad", "unserved", "inference"),
        ("bad", "quarantine", "gpu-01-42"),
    ]


def test_dead_letters_are_told_by_their_lane() -> None:
    lane = LaneView("inference.normal.org/a", "inference", "normal", "org/a", dead=7)

    assert text(lanes=(lane,)) == "7 dead letters: failed for good; read the errors, mend the cause, send them again"


@pytest.mark.parametrize(
    ("growth", "oldest", "told"), [(41.0, 41.0, True), (41.0, 2.0, False), (-41.0, 41.0, False), (41.0, None, False)]
)
def test_a_lane_grows_when_more_comes_than_goes_and_its_first_task_waits(
    growth: float, oldest: float | None, told: bool
) -> None:
    lane = LaneView("inference.normal.org/a", "inference", "normal", "org/a", ready=812, oldest_seconds=oldest)
    trends = Trends(growth_per_minute={lane.name: growth})

    assert bool(troubles(lanes=(lane,), trends=trends)) is told
    if told:
        expected = "812 tasks wait, +41 a minute, the first for 41s: add a worker or send less"
        assert text(lanes=(lane,), trends=trends) == expected


@pytest.mark.parametrize(("used", "told"), [(23 * GIB, True), (22 * GIB, False), (None, False)])
def test_a_device_whose_memory_is_almost_full_is_told(used: int | None, told: bool) -> None:
    device = DEVICE.model_copy(update={"memory_used": used})

    assert bool(troubles(workers=(worker(device=device),))) is told


def test_memory_that_unloaded_models_left_taken_is_told_with_what_frees_it() -> None:
    leaking, sound = (worker(device=DEVICE.model_copy(update={"memory_unreturned": size})) for size in (3 * GIB, 0))

    assert troubles(workers=(sound,)) == []
    assert troubles(workers=(leaking,)) == [("warn", "leak", "gpu-01-42")]
    assert text(workers=(leaking,)).startswith("unloaded models left 3.0 GiB taken on cuda:0 until the process ends")


def test_a_model_that_is_loaded_again_and_again_is_told() -> None:
    assert troubles(trends=Trends(loads={"org/a": 6, "org/b": 5})) == [("warn", "thrash", "org/a")]


@pytest.mark.parametrize(
    ("policy", "used", "limit", "count"),
    [
        ("noeviction", 1, 10, 0),
        ("allkeys-lru", 1, 10, 1),
        ("noeviction", 95, 100, 1),
        ("allkeys-lru", 95, 100, 2),
        ("allkeys-lru", 95, 0, 0),
    ],
)
def test_a_redis_that_may_lose_or_refuse_tasks_is_told(policy: str, used: int, limit: int, count: int) -> None:
    assert troubles(redis=RedisView("7.0", used, limit, policy)) == [("bad", "redis", "redis")] * count


@pytest.mark.parametrize(
    ("offset", "told"), [(3600.0, "1h00m ahead"), (-60.0, "1m00s behind"), (2.0, None), (None, None)]
)
def test_a_clock_that_is_off_is_told_with_its_direction(offset: float | None, told: str | None) -> None:
    off = replace(worker(), clock_offset_seconds=offset)

    assert bool(troubles(workers=(off,))) is bool(told)
    assert not told or told in text(workers=(off,))


@pytest.mark.parametrize(("seconds", "told"), [(301.0, True), (299.0, False)])
def test_a_task_that_runs_longer_than_it_may_is_told(seconds: float, told: bool) -> None:
    task = TaskRecord(message_id="b4692f0c-5351", actor="generate", started_at=1000.0 - seconds)

    stuck = troubles(workers=(worker(running=(task,), sent_at=1000.0),))

    assert stuck == ([("bad", "stuck", "gpu-01-42")] if told else [])


@pytest.mark.parametrize(
    "fields",
    [
        {"loading": "org/b@main"},
        {"arriving": (ArrivingModel(model="org/a", phase="downloading", started_at=0.0),)},
        {"models": (model("org/a").model_copy(update={"loaded_at": 900.0}),)},
    ],
)
def test_loading_is_not_counted_as_a_tasks_time(fields: dict[str, Any]) -> None:
    task = TaskRecord(message_id="b4692f0c-5351", actor="embed", model="org/a", started_at=0.0)

    assert troubles(workers=(worker(running=(task,), sent_at=1000.0, **fields),)) == []


def test_the_worst_comes_first_and_many_of_a_kind_are_two_lines() -> None:
    lost = tuple(WorkerView(f"gpu-{number}", "lost", 60.0) for number in range(9))

    found = TroubleFinder(TASK_SECONDS).find(replace(HEALTHY, workers=(replace(worker(), liveness="late"), *lost)))

    assert [(trouble.kind, trouble.about) for trouble in found] == [
        ("lost", "gpu-0"),
        ("lost", "8 more"),
        ("late", "gpu-01-42"),
    ]
    assert found[1].text == "and 8 more like it (gpu-1, gpu-2, …)"
    assert [trouble.others for trouble in found] == [0, 8, 0]


@pytest.mark.parametrize("seconds", range(80, 560, 60))
def test_what_has_a_trouble_is_shown_when_only_trouble_is(seconds: int) -> None:
    snapshot = demo_snapshot(float(seconds))
    troubled = TroubleFinder(TASK_SECONDS).find_troubled(snapshot)
    view = View(trouble_only=True, troubled=troubled)

    assert {*worker_table(snapshot, view).ids} == {each.worker_id for each in snapshot.workers} & troubled.keys()
    assert {*lane_table(snapshot, view).ids} == {lane.name for lane in snapshot.lanes} & troubled.keys()
    assert {*model_table(snapshot, view).ids} == {*model_table(snapshot).ids} & troubled.keys()
    assert {*queue_table(snapshot, view).ids} == {lane.queue for lane in snapshot.lanes if lane.name in troubled}


def test_also_those_whose_line_is_folded_are_in_trouble() -> None:
    lost = tuple(WorkerView(f"gpu-{number}", "lost", 60.0) for number in range(9))

    troubled = TroubleFinder(TASK_SECONDS).find_troubled(replace(HEALTHY, workers=(worker(), *lost)))

    assert troubled == {each.worker_id: "lost" for each in lost}


def test_with_a_queue_that_stands_still_those_of_its_lanes_are_in_trouble_in_which_something_waits() -> None:
    lanes = (LaneView("inference", "inference"), LaneView("a", "inference", ready=3), LaneView("b", "inference"))

    assert TroubleFinder(TASK_SECONDS).find_troubled(replace(HEALTHY, workers=(), lanes=lanes)) == {
        "inference": "unserved",
        "a": "unserved",
    }


def test_the_tasks_of_a_worker_in_trouble_are_in_trouble() -> None:
    stuck = TaskRecord(message_id="stuck", actor="generate", started_at=0.0)
    fine = stuck.model_copy(update={"message_id": "fine", "started_at": 990.0})
    workers = (
        worker(running=(stuck,), sent_at=1000.0),
        worker("gpu-02-7", running=(fine,), sent_at=1000.0),
    )
    snapshot = replace(HEALTHY, workers=workers)

    view = View(trouble_only=True, troubled=TroubleFinder(TASK_SECONDS).find_troubled(snapshot))

    assert task_table(snapshot, view).ids == ("gpu-01-42 stuck",)
