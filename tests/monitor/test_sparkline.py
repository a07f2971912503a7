import math

import pytest

from monitor.core.sparkline import scale_top, sparkline


@pytest.mark.parametrize(
    ("greatest", "top"), [(0.0, 10.0), (10.0, 10.0), (11.0, 20.0), (312.0, 500.0), (501.0, 1000.0), (1e6, 1e6)]
)
def test_a_scale_ends_at_1_2_or_5_times_a_power_of_ten(greatest: float, top: float) -> None:
    assert scale_top([1.0, greatest], least=10.0) == top


def test_the_same_value_is_the_same_bar_while_others_move_within_the_scale() -> None:
    before, after = [300.0, 320.0], [300.0, 480.0]

    assert scale_top(before, 10.0) == scale_top(after, 10.0)
    assert sparkline(before, 2, scale_top(before, 10.0))[0] == sparkline(after, 2, scale_top(after, 10.0))[0]


def test_the_latest_are_shown_from_nothing_to_the_top() -> None:
    assert sparkline([9.0, 0.0, 5.0, 10.0, 11.0], 4, top=10.0) == "▁▅██"


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_what_is_no_amount_is_the_lowest_bar(value: float) -> None:
    assert sparkline([value], 1, scale_top([value], 10.0)) == "▁"
