"""What enter on a queue or a lane opens."""

from dataclasses import replace

import pytest

from monitor.core.audit import AuditEvent
from monitor.core.lane_text import lane_text
from monitor.core.snapshot import Snapshot, Trends
from settings.capacity import Capacity
from tests.monitor.examples import CLUSTER, LANE

HIGH, QUEUE = "inference.high.org/chat-8b", "inference"
GROWING = replace(CLUSTER, capacities={"org/chat-8b": Capacity(2, 0.5)})


def shrinking(per_minute: float) -> Snapshot:
    return replace(CLUSTER, trends=Trends(312.0, 2.0, {LANE: -per_minute}))


def line_with(text: str, part: str) -> str:
    found = [line for line in text.splitlines() if part in line]
    assert len(found) == 1, text
    return found[0]


def test_the_lanes_of_one_model_are_shown_together_by_priority_even_when_empty() -> None:
    text = lane_text(CLUSTER, LANE)

    assert text == lane_text(CLUSTER, HIGH)
    assert line_with(text, "high  ").split() == ["high", "4", "2", "0", "0", "0s", "-"]
    assert text.index("\nhigh") < text.index("\nnormal") < text.index("\nlow ")
    assert "+41" in text


def test_who_holds_the_model_comes_before_who_would_have_to_load_it() -> None:
    text = lane_text(CLUSTER, LANE)

    assert "Workers (2), of which 1 holds the model" in text
    assert "holds the model, busy with 1 task" in line_with(text, "gpu-01-42")
    assert "would have to load 9.7 GB" in line_with(text, "gpu-02-7")
    assert text.index("gpu-01-42") < text.index("gpu-02-7")
    assert "gpu-03-9" not in text


def test_a_lane_that_shrinks_clears_by_the_pace_of_the_last_minute() -> None:
    assert "clears  in about 20m18s, as 40 more tasks a minute leave than come" in lane_text(shrinking(40), LANE)


def test_a_lane_that_grows_clears_never_at_this_pace_and_by_what_its_tasks_take_if_no_more_came() -> None:
    text = lane_text(GROWING, LANE)

    assert "clears  not at the last minute's pace: 41 more tasks a minute come than leave" in text
    assert "in about 3m23s if no more came: 812 tasks, 0.5 s each, shared by 2 workers" in text


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (replace(CLUSTER, trends=Trends()), "not told yet"),
        (replace(CLUSTER, capacities={"org/chat-8b": Capacity(0, 0.5)}), "no worker with a device takes tasks"),
        (
            replace(CLUSTER, capacities={"org/chat-8b": Capacity(2, None)}),
            "too few tasks of the model have been measured",
        ),
        (replace(CLUSTER, lanes=()), "clears  nothing waits"),
        (replace(CLUSTER, capacities={"of/another": Capacity(2, 0.5)}), "41 more tasks a minute come than leave\n\n"),
    ],
)
def test_where_there_is_no_basis_for_an_estimate_it_says_so(snapshot: Snapshot, reason: str) -> None:
    assert reason in lane_text(snapshot, LANE)


def test_a_paused_lane_tells_who_paused_it_and_when_and_that_it_does_not_clear() -> None:
    lanes = tuple(replace(lane, is_paused=True) for lane in CLUSTER.lanes)
    event = AuditEvent(940.0, "ann@ops", "pause", LANE, 1)
    paused = replace(CLUSTER, lanes=lanes, paused={LANE: "ann@ops"}, audit=(event,))

    assert f"‖ {LANE} was paused by ann@ops 1m00s ago" in lane_text(paused, LANE)
    assert "clears  not before someone resumes it" in lane_text(paused, LANE)
    assert "paused by ann@ops; P on" in lane_text(replace(paused, audit=()), LANE)


def test_the_first_waiting_tasks_and_the_newest_error_are_named() -> None:
    text = lane_text(CLUSTER, LANE)

    assert "Waiting (812), the first of them" in text
    assert line_with(text, "7f3a11d2").split() == ["1", "7f3a11d2-90aa-4b21", "generate", "41s", "normal"]
    assert line_with(text, "redis-9c40").split() == ["2", "redis-9c40", "-", "39s", "normal"]
    assert "Dead letters (3)\n  the newest 1m39s ago: DeviceOutOfMemory: 1 GiB" in text


def test_a_queue_has_all_its_lanes_the_fullest_first_and_who_takes_its_tasks() -> None:
    text = lane_text(CLUSTER, QUEUE)

    assert text.index("org/chat-8b") < text.index("BAAI/bge-m3")
    assert "Workers with a device that take its tasks (2): 1 busy, 1 idle" in text
    assert "Waiting (1,204), the first of them" in text
    assert line_with(text, "7f3a11d2").split()[-2:] == ["normal", "org/chat-8b"]
    assert "No worker takes its tasks" in lane_text(replace(CLUSTER, workers=()), QUEUE)


def test_its_tables_keep_to_the_columns_that_there_are() -> None:
    wide, narrow = lane_text(CLUSTER, QUEUE), lane_text(CLUSTER, QUEUE, 50)

    assert len(line_with(wide, "place")) > 50
    assert len(line_with(narrow, "place")) <= 50
    assert line_with(narrow, "7f3a11d2").split()[:2] == ["1", "7f3a11d2-90aa-4b21"]
