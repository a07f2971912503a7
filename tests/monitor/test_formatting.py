import math

import pytest

from monitor.core.formatting import cell_width, fit, format_age, format_calls, format_memory, format_share, printable
from tests.monitor.cluster import GIB
from tests.monitor.hostile import HOSTILE_STRINGS


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("gpu-01:4812", "gpu-01:4812"),
        ("[/x]", "[/x]"),
        ("a\x1b[31m\x00\n\x9b", "a·[31m···"),
        ("\u202eevil\u200b", "·evil·"),
        ("e\u0301", "é"),
        ("日本", "日本"),
        ("\ud800", "·"),
    ],
)
def test_what_a_terminal_would_obey_becomes_a_dot(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", HOSTILE_STRINGS)
@pytest.mark.parametrize("width", [0, 1, 2, 7, 40])
@pytest.mark.parametrize("right", [False, True])
def test_any_text_fits_exactly_into_its_cells(text: str, width: int, right: bool) -> None:
    assert cell_width(fit(printable(text), width, right=right)) == width


def test_a_long_text_is_cut_with_an_ellipsis_and_a_short_one_padded() -> None:
    assert fit("abcdef", 4) == "abc…"
    assert fit("日本語", 4) == "日… "
    assert fit("ab", 4) == "ab  "
    assert fit("ab", 4, right=True) == "  ab"


@pytest.mark.parametrize(
    ("used", "total", "memory", "share"),
    [
        (12 * GIB, 24 * GIB, "12.0/24.0 GiB", "50%"),
        (None, 24 * GIB, "-/24.0 GiB", "-"),
        (GIB, None, "1.0/- GiB", "-"),
        (None, None, "-", "-"),
        (0, 24 * GIB, "0.0/24.0 GiB", "0%"),
        (500 * GIB, 512 * GIB, "500/512 GiB", "97%"),
        (1, 0, "0.0/0.0 GiB", "-"),
    ],
)
def test_memory_that_nobody_can_tell_is_a_dash_and_not_a_zero(
    used: int | None, total: int | None, memory: str, share: str
) -> None:
    assert (format_memory(used, total), format_share(used, total)) == (memory, share)


def test_numbers_beyond_any_machine_are_no_error() -> None:
    assert format_memory(10**400, 1).endswith("/0.0 GiB")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (192, "3m12s"),
        (7500, "2h05m"),
        (356_400, "4d03h"),
        (math.inf, "-"),
        (math.nan, "-"),
    ],
)
def test_an_age_is_told_in_the_two_units_that_matter(seconds: float, shown: str) -> None:
    assert format_age(seconds) == shown


@pytest.mark.parametrize(
    ("calls", "shown"),
    [
        ({}, ""),
        ({"aten::lerp": 3, "aten::roll": 1204}, "aten::roll 1,204 times, aten::lerp 3 times"),
        (dict.fromkeys("gfedcba", 1), "a 1 times, b 1 times, c 1 times, d 1 times, e 1 times and 2 more"),
    ],
)
def test_calls_are_named_with_the_most_frequent_first(calls: dict[str, int], shown: str) -> None:
    assert format_calls(calls) == shown
