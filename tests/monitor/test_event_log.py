from typing import Any

from monitor.core.audit import AuditEvent
from monitor.core.event_log import MOST_OF_A_KIND
from monitor.core.event_table import event_table
from monitor.core.observer import Observer
from monitor.core.plain import to_text
from monitor.core.snapshot import LaneView, Liveness, Snapshot, WorkerView
from monitor.core.view import View
from tests.monitor.cluster import model, record

LANE = "inference.normal.org/a"


def worker(name: str = "gpu-01-42", liveness: Liveness = "live", **fields: Any) -> WorkerView:
    return WorkerView(name, liveness, 1.0, None if liveness == "lost" else record(name, **fields))


def happened(*readings: tuple[WorkerView, ...]) -> list[tuple[float, str, str, str]]:
    log = Observer()
    for second, workers in enumerate(readings):
        events = log.observe(Snapshot(at=100.0 + second, workers=workers)).events
    return [(event.at, event.kind, event.about, event.more) for event in events]


def test_what_is_there_at_the_first_look_is_no_event() -> None:
    assert happened((worker(models=(model("org/a"),)),)) == []
    assert happened((worker(),), (worker(),)) == []


def test_workers_come_say_goodbye_and_are_lost_the_newest_first() -> None:
    assert happened((worker("a"), worker("b")), (worker("a"), worker("c")), (worker("a", "lost"), worker("c"))) == [
        (102.0, "lost", "a", ""),
        (101.0, "came", "c", "gpu-01"),
        (101.0, "left", "b", ""),
    ]


def test_a_late_worker_that_beats_again_is_back() -> None:
    assert [kind for _, kind, *_ in happened((worker(),), (worker(liveness="late"),), (worker(),))] == ["back", "late"]


def test_a_lost_worker_that_is_history_is_no_news() -> None:
    assert [kind for _, kind, *_ in happened((worker(),), (worker(liveness="lost"),), ())] == ["lost"]


def test_a_quarantine_begins_and_ends() -> None:
    quarantined = worker(state="quarantined")

    assert [kind for _, kind, *_ in happened((worker(),), (quarantined,), (worker(),))] == ["released", "quarantine"]


def test_models_are_loaded_and_unloaded_and_the_latest_of_a_worker_stands_for_all() -> None:
    a, b = (worker(models=(model(name),)) for name in ("org/a", "org/b"))

    assert happened((worker(),), (a,), (b,)) == [
        (102.0, "loaded", "org/b", "gpu-01-42"),
        (102.0, "unloaded", "org/a", "gpu-01-42"),
    ]


def test_many_of_a_kind_at_once_are_one_event() -> None:
    assert happened((), tuple(worker(f"gpu-{number}") for number in range(40))) == [
        (101.0, "came", "gpu-0, gpu-1 and 38 more", "")
    ]


def test_a_model_that_many_load_at_once_is_one_event_with_its_workers() -> None:
    before = tuple(worker(f"gpu-{number}") for number in range(6))
    after = tuple(worker(f"gpu-{number}", models=(model("org/a"),)) for number in range(6))

    assert happened(before, after) == [(101.0, "loaded", "org/a", "gpu-0, gpu-1 and 4 more")]


def test_new_dead_letters_are_told_with_their_number() -> None:
    log = Observer()
    for second, dead in enumerate((3, 5, 2)):
        events = log.observe(Snapshot(at=float(second), lanes=(LaneView(LANE, "inference", dead=dead),))).events

    assert [(event.kind, event.about, event.more) for event in events] == [("dead", LANE, "2 dead letters")]


def test_events_are_bounded_and_loads_do_not_push_a_lost_worker_out() -> None:
    readings = [(worker("a"), worker("b"))] + [
        (worker("a", "lost"), worker("b", models=(model(f"org/{number}"),))) for number in range(100)
    ]
    comings = [(worker(f"w{number}"),) for number in range(100)]

    assert [kind for _, kind, *_ in happened(*readings)] == ["loaded", "unloaded", "lost"]
    assert len(happened(*comings)) <= 2 * MOST_OF_A_KIND


def test_what_operators_did_stands_among_the_events_by_its_time() -> None:
    log = Observer()
    log.observe(Snapshot(at=100.0, workers=(worker("a"),)))
    events = log.observe(Snapshot(at=102.0, workers=(worker("a", "lost"),))).events
    did = (AuditEvent(103.0, "ann@ops", "pause", LANE, 1), AuditEvent(101.0, "bob@ops", "deleted", LANE, 12))
    snapshot = Snapshot(at=104.0, events=events, audit=did)

    rows = [[piece.text for piece in row[1:]] for row in event_table(snapshot).rows]

    assert rows == [
        ["▶ pause", "normal.org/a", "1, ann@ops"],
        ["✖ lost", "a", ""],
        ["▶ deleted", "normal.org/a", "12, bob@ops"],
    ]
    assert len(event_table(snapshot, View(trouble_only=True)).rows) == 1
    assert len(event_table(snapshot, View(words="bob")).rows) == 1
    assert "▶ pause" in to_text(snapshot)
