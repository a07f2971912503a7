"""The sentences for a task's place, and the estimate of its wait."""

import pytest

from settings.capacity import Capacity
from settings.explanation import (
    Cancelled,
    DeadLetter,
    Delayed,
    Ended,
    Place,
    Running,
    Unknown,
    Waiting,
    describe,
    estimate_wait,
)

WAITING = Waiting(lane="inference.high.org/a", priority="high", position=3, depth=12, ahead=2, age_seconds=8.04)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (WAITING, "waits as number 3 of 12 in the lane inference.high.org/a, 8.0 s after it was sent"),
        (
            WAITING.model_copy(update={"age_seconds": None}),
            "waits as number 3 of 12 in the lane inference.high.org/a",
        ),
        (
            WAITING.model_copy(update={"is_paused": True}),
            "waits as number 3 of 12 in the lane inference.high.org/a, which is paused, 8.0 s after it was sent",
        ),
        (Running(worker_id="gpu-01-42", since=70.0), "runs on gpu-01-42 for 30 s"),
        (
            Running(worker_id="gpu-01-42", since=97.0, doing="loading org/a@main"),
            "runs on gpu-01-42 for 3.0 s, which is loading org/a@main",
        ),
        (
            Running(),
            "was taken by a worker that has not said so yet, or has died; then it comes back into its lane",
        ),
        (
            Delayed(until=112.0, retries=1, reason="DeviceOutOfMemory: no room"),
            "waits for 12 s to be tried again, after failure 1: DeviceOutOfMemory: no room",
        ),
        (Delayed(until=90.0), "waits for 0.0 s, as it was sent with a delay"),
        (Delayed(), "waits for its time, as it was sent with a delay"),
        (Ended(), "has succeeded; its result is stored"),
        (Ended(failure="ModelNotFound", failure_text="no org/a"), "has failed: ModelNotFound: no org/a"),
        (Cancelled(is_answered=True), "was cancelled"),
        (Cancelled(is_answered=False), "was cancelled; its caller is answered when a worker comes to it"),
        (
            DeadLetter(lane="inference.normal.org/a", died_at=40.0),
            "failed for good 60 s ago, and its result has expired; it is a dead letter of inference.normal.org/a",
        ),
        (Unknown(reason="it has expired"), "is not known: it has expired"),
    ],
)
def test_every_place_has_its_sentence(place: Place, sentence: str) -> None:
    assert describe(place, at=100.0) == sentence


def test_the_estimate_shares_what_is_ahead_among_the_workers_and_says_how() -> None:
    estimate = estimate_wait(WAITING, Capacity(workers=4, seconds_per_task=0.5))

    assert estimate.seconds == 0.25
    assert estimate.basis == (
        "2 ahead, 0.5 s each, shared by 4 workers; other models' tasks and loading are not counted"
    )


@pytest.mark.parametrize(
    ("place", "workers", "seconds_per_task", "reason"),
    [
        (Running(worker_id="w"), 1, 1.0, "it does not wait in a lane"),
        (WAITING, 0, 1.0, "no worker with a device takes tasks"),
        (WAITING, 1, None, "too few tasks of its model have been measured of late"),
    ],
)
def test_without_a_basis_there_is_a_reason_instead_of_an_estimate(
    place: Place, workers: int, seconds_per_task: float | None, reason: str
) -> None:
    estimate = estimate_wait(place, Capacity(workers, seconds_per_task))

    assert (estimate.seconds, estimate.basis) == (None, reason)
