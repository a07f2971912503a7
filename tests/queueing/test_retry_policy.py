"""Which failures are tried again, and when; no Redis."""

import pytest

from actors.errors import (
    DeviceOutOfMemory,
    InferenceFailed,
    PermanentError,
    StoreUnreachable,
    TransientError,
    WorkerStopping,
)
from actors.queueing.retry_policy import (
    FIRST_PAUSE_MS,
    MAX_REASON,
    MAX_RETRIES,
    OUT_OF_MEMORY_PAUSE_MS,
    Pauses,
    Retry,
    choose_retry,
    options_after,
    reasons_of,
)

FAILED = "StoreUnreachable: the share is away"
FULL = "DeviceOutOfMemory: no room"


@pytest.mark.parametrize("error", [InferenceFailed("x"), PermanentError("x"), RuntimeError("x"), KeyboardInterrupt()])
def test_what_cannot_pass_is_never_tried_again(error: BaseException) -> None:
    assert choose_retry(error, []) is None


@pytest.mark.parametrize("error", [StoreUnreachable("x"), WorkerStopping("x"), TransientError("x")])
def test_what_may_pass_is_tried_three_times_more_elsewhere_with_pauses_that_grow(error: TransientError) -> None:
    pauses = []
    for failures in range(MAX_RETRIES):
        retry = choose_retry(error, [FAILED] * failures)
        assert retry is not None
        assert retry.is_better_elsewhere
        pauses.append(retry.delay_ms)

    for failures, pause_ms in enumerate(pauses):
        assert 1 <= pause_ms / (FIRST_PAUSE_MS * 2**failures) <= 2
    assert choose_retry(error, [FAILED] * MAX_RETRIES) is None


def test_an_actor_or_a_message_may_ask_for_other_pauses() -> None:
    assert Pauses.of({"min_backoff": 1}, {"min_backoff": 5, "max_backoff": 10}) == Pauses(1, 10)
    assert Pauses.of({"min_backoff": "x", "max_backoff": -1}, {}) == Pauses()
    assert Pauses.of({"max_backoff": 10**9}) == Pauses()

    retry = choose_retry(StoreUnreachable("x"), [FAILED] * 2, Pauses(1, 3))
    assert retry is not None
    assert retry.delay_ms <= 3


def test_a_full_device_is_tried_again_once_and_promptly() -> None:
    full = DeviceOutOfMemory("no room")

    assert choose_retry(full, []) == Retry(OUT_OF_MEMORY_PAUSE_MS, is_better_elsewhere=False)
    assert choose_retry(full, [FAILED]) == Retry(OUT_OF_MEMORY_PAUSE_MS, is_better_elsewhere=False)
    assert choose_retry(full, [FULL, FAILED]) is None


def test_the_next_attempt_knows_why_those_before_failed() -> None:
    options = options_after(DeviceOutOfMemory("no room"), [FAILED])

    assert options["retries"] == 2
    assert reasons_of(options) == (FAILED, FULL)


def test_a_long_reason_is_cut() -> None:
    assert len(reasons_of(options_after(StoreUnreachable("x" * 10_000), []))[0]) == MAX_REASON


@pytest.mark.parametrize("written", [None, "text", 5, [1], ["a", None], {"a": 1}])
def test_what_a_sender_wrote_there_instead_counts_as_none(written: object) -> None:
    assert reasons_of({"retry_reasons": written}) == ()
