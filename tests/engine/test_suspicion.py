"""When failures point at the device and not at the tasks."""

from actors.engine.suspicion import Suspicion


def verdicts(*failures: str) -> list[bool]:
    """The verdict after each; `1a` is request 1 with model a."""
    suspicion = Suspicion()
    return [suspicion.note_failure(failure[0], failure[1]) for failure in failures]


def test_three_different_requests_with_different_models_point_at_the_device() -> None:
    assert verdicts("1a", "2b", "3a") == [False, False, True]


def test_two_are_not_enough() -> None:
    assert verdicts("1a", "2b") == [False, False]


def test_one_request_that_comes_again_and_again_is_at_fault_itself() -> None:
    assert not any(verdicts("1a", "1a", "1a", "2b", "1a", "2b"))


def test_one_model_that_fails_with_every_request_is_at_fault_itself() -> None:
    assert not any(verdicts("1a", "2a", "3a", "4a"))


def test_the_latest_three_count() -> None:
    assert verdicts("1a", "2a", "3a", "4a", "5b") == [False, False, False, False, True]


def test_a_success_clears_the_device() -> None:
    suspicion = Suspicion()
    suspicion.note_failure("1", "a")
    suspicion.note_failure("2", "b")
    suspicion.note_success()

    assert not suspicion.note_failure("3", "c")
