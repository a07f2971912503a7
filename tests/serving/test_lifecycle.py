"""What is told of a worker's life."""

import pytest

from actors.errors import DeviceFaulty, InferenceFailed, ModelBroken, ModelNotFound
from actors.serving.lifecycle import MOST_UNTOLD, Lifecycle, changes_between
from settings.records import ArrivingModel, LifecycleEvent, ModelRecord, WorkerRecord, WorkerState


def record(state: WorkerState = "idle", loaded: str = "", arriving: str = "") -> WorkerRecord:
    models = tuple(
        ModelRecord(model=name, revision="1", dtype="float32", bytes=1, uses=0, loaded_at=0, last_used_at=0)
        for name in loaded.split()
    )
    coming = tuple(
        ArrivingModel(model=name, phase=phase, started_at=0) for name, _, phase in [arriving.partition(" ")] if name
    )
    process = {"worker_id": "host-1", "host": "host", "pid": 1, "broker_id": "b", "started_at": 0.0, "sent_at": 0.0}
    return WorkerRecord(**process, state=state, models=models, arriving=coming)


def told(*events: LifecycleEvent) -> list[str]:
    parts = ((event.event, event.model, event.phase, event.error) for event in events)
    return [" ".join(filter(None, each)) for each in parts]


@pytest.mark.parametrize(
    ("before", "now", "events"),
    [
        (None, record("starting"), []),
        (record(), record(arriving="a downloading"), ["loading a downloading"]),
        (record(arriving="a downloading"), record(arriving="a downloading"), []),
        (record(arriving="a downloading"), record(arriving="a reading"), ["loading a reading"]),
        (record(arriving="a reading"), record(loaded="a"), ["loaded a@1"]),
        (record(loaded="a b"), record(loaded="b c"), ["loaded c@1", "unloaded a@1"]),
        (record("busy"), record("draining"), ["draining"]),
        (record("draining"), record("quarantined"), ["quarantined"]),
        (record("quarantined"), record("loading"), ["resumed"]),
        (record("loading"), record("idle"), []),
    ],
)
def test_what_a_record_shows_that_the_last_did_not(
    before: WorkerRecord | None, now: WorkerRecord, events: list[str]
) -> None:
    assert told(*changes_between(before, now)) == events


def test_what_redis_did_not_take_is_told_with_the_next_record() -> None:
    lifecycle = Lifecycle("host-1")
    lifecycle.note("started")

    with pytest.raises(ConnectionError), lifecycle.telling(record(loaded="a")):
        raise ConnectionError
    with lifecycle.telling(record(loaded="a")) as events:
        assert told(*events) == ["started", "loaded a@1"]
    with lifecycle.telling(record(loaded="a")) as events:
        assert told(*events) == []


def test_a_failed_task_tells_of_its_model_or_of_the_device_or_of_nothing() -> None:
    lifecycle = Lifecycle("host-1")

    for error in (ModelBroken(""), ModelBroken(""), ModelNotFound(""), InferenceFailed(""), DeviceFaulty(""), None):
        lifecycle.note_failure("org/a", error)

    with lifecycle.telling(None) as events:
        assert told(*events) == ["load failed org/a ModelBroken", "device lost DeviceFaulty"]


def test_only_so_many_wait_for_redis() -> None:
    lifecycle = Lifecycle("host-1")

    for number in range(2 * MOST_UNTOLD):
        lifecycle.note("load failed", f"org/m{number}")

    with lifecycle.telling(None) as events:
        assert len(events) == MOST_UNTOLD
