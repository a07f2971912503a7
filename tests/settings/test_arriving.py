"""How far a model is, in words."""

from typing import Any

import pytest

from settings.arriving import arriving_on, describe_arriving, describe_progress
from settings.records import ArrivingModel
from tests.monitor.cluster import record


def arriving(**fields: Any) -> ArrivingModel:
    return ArrivingModel.model_validate({"model": "org/a@main", "phase": "downloading", "started_at": 1.0} | fields)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "downloading the model"),
        ({"total_bytes": 4_100_000_000}, "downloading the model: 4.1 GB"),
        ({"done_bytes": 5_000_000}, "downloading the model: 5.0 MB"),
        ({"done_bytes": 5_000_000, "total_bytes": 4_100_000_000}, "downloading the model: 5.0 MB of 4.1 GB"),
        ({"phase": "waiting for the registry"}, "waiting for the model until the model-manager has it"),
        ({"phase": "copying", "total_bytes": 8}, "copying the model to its device: 8 bytes"),
        ({"phase": "what a newer writer says"}, "what a newer writer says the model"),
        ({"total_bytes": 8, "seconds_left": float("nan")}, "downloading the model: 8 bytes"),
    ],
)
def test_each_phase_is_a_sentence_with_what_is_known(fields: dict[str, Any], sentence: str) -> None:
    assert describe_arriving(arriving(**fields), "the model") == sentence


def test_bytes_of_one_unit_share_it() -> None:
    half = arriving(done_bytes=1_200_000_000, total_bytes=4_100_000_000, seconds_left=20)

    assert describe_progress(half) == "downloading 1.2 of 4.1 GB, about 20 s left"


@pytest.mark.parametrize(("name", "is_known"), [("org/a", True), ("org/a@main", True), ("org/b", False), (None, False)])
def test_a_task_may_name_its_model_with_or_without_the_revision(name: str | None, is_known: bool) -> None:
    assert (arriving_on(record("w", arriving=[arriving()]), name) is not None) is is_known
