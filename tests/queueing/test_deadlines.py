"""What a timeout and a deadline may be."""

import math

import pytest

from actors.errors import InvalidRequest
from actors.queueing.deadlines import deadline_ms, seconds_left

NOW = 1_000_000.5


def test_a_timeout_and_its_deadline_are_the_same_time() -> None:
    options = {"deadline": deadline_ms(2.5, NOW)}

    assert seconds_left(options, NOW + 1) == 1.5
    assert seconds_left(options, NOW + 3) == -0.5


def test_a_message_without_a_deadline_has_all_the_time() -> None:
    assert seconds_left({}, NOW) == math.inf


@pytest.mark.parametrize("timeout", [0, -1, math.inf, math.nan, True, "5"])
def test_a_timeout_is_a_positive_finite_number(timeout: object) -> None:
    with pytest.raises(InvalidRequest, match=r"timeout=.*: a positive number of seconds is needed"):
        deadline_ms(timeout, NOW)


@pytest.mark.parametrize("timeout", [1e308, 10**400])
def test_a_timeout_of_ages_is_one_of_years(timeout: float) -> None:
    assert seconds_left({"deadline": deadline_ms(timeout, NOW)}, NOW) > 300_000_000


@pytest.mark.parametrize("deadline", [-1, math.inf, math.nan, 10**400, True, "5", [5]])
def test_a_deadline_of_another_sender_is_not_trusted(deadline: object) -> None:
    with pytest.raises(InvalidRequest, match="milliseconds since the epoch"):
        seconds_left({"deadline": deadline}, NOW)
