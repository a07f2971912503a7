"""What a worker answers to a waiting task, without a Redis."""

from typing import Any

import pytest

from settings.byte_sizes import format_bytes
from settings.worker_answers import WorkerAnswer, WorkerReading, answers_of
from tests.monitor.cluster import DEVICE, GIB, model, record

GB = 10**9
WITH_BUDGET = DEVICE.model_copy(update={"models_budget": 8 * GB})
TASK = {"message_id": "m", "actor": "embed", "started_at": 0.0}


def answer(age_seconds: float = 0.0, needed_bytes: int | None = None, **fields: Any) -> WorkerAnswer:
    reading = WorkerReading("gpu-01-42", age_seconds, record("gpu-01-42", **{"device": WITH_BUDGET, **fields}))
    (only,) = answers_of([reading], "org/a", needed_bytes)
    return only


def held(name: str, size: int) -> Any:
    return model(name).model_copy(update={"bytes": size})


def test_a_worker_that_holds_the_model_says_so() -> None:
    said = answer(models=[model("org/a")])

    assert (said.holds_model, said.needed_bytes, said.text) == (True, None, "holds the model")


def test_a_model_may_be_called_with_its_revision() -> None:
    reading = WorkerReading("w", 0.0, record("w", models=[model("org/a")]))

    assert [said.holds_model for said in answers_of([reading], "org/a@main", None)] == [True]


def test_a_worker_that_would_have_to_load_says_how_much_and_what_is_free() -> None:
    said = answer(needed_bytes=4_100_000_000, models=[held("org/b", 4_800_000_000)])

    assert said.text == "would have to load 4.1 GB, 3.2 GB free"
    assert (said.holds_model, said.needed_bytes, said.free_bytes) == (False, 4_100_000_000, 3_200_000_000)


def test_the_models_size_is_known_from_a_worker_that_holds_it() -> None:
    holder = WorkerReading("a", 0.0, record("a", models=[held("org/a", 2 * GB)]))
    other = WorkerReading("b", 0.0, record("b", device=WITH_BUDGET))

    texts = [said.text for said in answers_of([other, holder], "org/a", footprint_bytes=7 * GB)]

    assert texts == ["holds the model", "would have to load 2.0 GB, 8.0 GB free"]


def test_what_nobody_knows_is_said_to_be_unknown() -> None:
    assert answer().text == "would have to load the model, whose size is not known, 8.0 GB free"
    assert answer(needed_bytes=GB, device=DEVICE).text == "would have to load 1.0 GB, free memory not known"


def test_a_model_that_never_fits_is_told_apart_from_one_that_needs_room() -> None:
    assert answer(needed_bytes=9 * GB).text == "cannot load 9.0 GB: its models may take 8.0 GB"


def test_a_model_that_is_on_its_way_is_not_to_be_loaded_once_more() -> None:
    assert answer(state="loading", loading="org/a@main").text == "loading org/a@main"
    assert answer(state="loading", loading="org/b@main", needed_bytes=GB).text == (
        "loading org/b@main, would have to load 1.0 GB, 8.0 GB free"
    )


@pytest.mark.parametrize("state", ["starting", "draining", "quarantined", "standby"])
def test_a_worker_that_takes_no_tasks_says_its_state(state: str) -> None:
    assert answer(state=state, models=[model("org/a")]).text == state


def test_a_late_and_busy_worker_says_all_of_it() -> None:
    said = answer(age_seconds=8.2, state="busy", models=[model("org/a")], running=[TASK, TASK])

    assert said.text == "late for 8 s, holds the model, busy with 2 tasks"
    assert (said.is_late, said.tasks, said.state) == (True, 2, "busy")


def test_one_beat_less_is_not_late() -> None:
    assert not answer(age_seconds=5.9).is_late


def test_a_record_that_cannot_be_read_says_nothing_readable() -> None:
    (said,) = answers_of([WorkerReading("w", 1.0, None)], "org/a", GB)

    assert (said.text, said.state, said.holds_model, said.needed_bytes) == ("says nothing readable", None, False, None)


def test_a_process_that_only_serves_the_clusters_own_jobs_is_not_asked() -> None:
    assert answers_of([WorkerReading("w", 0.0, record("w", state="control", device=None))], "org/a", None) == ()


def test_a_task_without_a_model_needs_nothing() -> None:
    (said,) = answers_of([WorkerReading("w", 0.0, record("w"))], None, None)

    assert said.text == "idle"


@pytest.mark.parametrize(
    ("size", "text"),
    [(4_100_000_000, "4.1 GB"), (950_000, "950.0 kB"), (12, "12 bytes"), (10**400, f"{10**391}.0 GB"), (GIB, "1.1 GB")],
)
def test_bytes_have_a_unit_and_any_size(size: int, text: str) -> None:
    assert format_bytes(size) == text
