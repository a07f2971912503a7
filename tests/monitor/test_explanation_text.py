import json

import pytest

from monitor.core.explanation_text import explanation_json, explanation_text
from settings.explanation import Ended, Estimate, Explanation, Place, Waiting, describe
from settings.worker_answers import WorkerReading, answers_of
from tests.monitor.cluster import model, record
from tests.monitor.hostile import HOSTILE_STRINGS

WAITING = Waiting(lane="inference.normal.org/a", priority="normal", position=1, depth=1, ahead=0, age_seconds=2.0)


def explanation(place: Place = WAITING, **fields: object) -> Explanation:
    known = {"message_id": "id", "actor": "embed", "model": "org/a", "at": 0.0, "estimate": Estimate(basis="no figure")}
    return Explanation.model_validate({**known, "place": place, "text": describe(place, 0.0), **fields})


def readings(*names: str) -> list[WorkerReading]:
    return [WorkerReading(name, 0.0, record(name)) for name in names]


def test_a_waiting_task_has_its_estimate_and_its_workers_those_that_hold_the_model_first() -> None:
    holder = WorkerReading("gpu-02-43", 0.0, record("gpu-02-43", models=[model("org/a")]))
    workers = answers_of([*readings("gpu-01"), holder], "org/a", None)

    text = explanation_text(explanation(workers=workers, estimate=Estimate(seconds=1.25, basis="as measured")))

    assert text.splitlines() == [
        "embed id waits as number 1 of 1 in the lane inference.normal.org/a, 2.0 s after it was sent",
        "model     org/a",
        "estimate  about 1.2 s (as measured)",
        "",
        "gpu-02-43  holds the model",
        "gpu-01     would have to load 1.1 GB, free memory not known",
    ]


def test_without_an_estimate_there_is_its_reason() -> None:
    assert "estimate  - (no figure)" in explanation_text(explanation())


def test_a_task_that_has_ended_is_two_lines() -> None:
    assert explanation_text(explanation(Ended())).splitlines() == [
        "embed id has succeeded; its result is stored",
        "model     org/a",
    ]


def test_many_workers_stay_on_one_screen() -> None:
    workers = answers_of(readings(*(f"gpu-{number:03}" for number in range(200))), "org/a", None)

    lines = explanation_text(explanation(workers=workers)).splitlines()

    assert len(lines) == 25
    assert lines[-1] == "and 180 more workers"


@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
def test_what_a_terminal_would_obey_is_shown_without_being_obeyed(hostile: str) -> None:
    place = Ended(failure=hostile, failure_text=hostile)
    workers = answers_of(readings(hostile), hostile, None)
    explained = explanation(place, message_id=hostile, actor=hostile, model=hostile, workers=workers)

    text = explanation_text(explained)

    assert len(text.splitlines()) == 4
    assert text.replace("\n", "").isprintable()
    assert json.loads(explanation_json(explained))["model"] == hostile
