import pytest

from settings.lane_names import LaneName, lanes_before, lanes_of


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("inference.high.org/a", LaneName("inference", "high", "org/a")),
        ("inference.low.a.b.c@v1.0", LaneName("inference", "low", "a.b.c@v1.0")),
        ("inference", LaneName("inference", "normal", None)),
        ("inference.urgent.org/a", LaneName("inference.urgent.org/a")),
        ("inference.high.", LaneName("inference.high.")),
    ],
)
def test_a_name_is_taken_apart_and_put_together_again(name: str, parts: LaneName) -> None:
    assert LaneName.parse(name) == parts
    assert str(parts) == name


def test_a_model_has_a_lane_for_each_priority_and_the_higher_go_before() -> None:
    high, normal, low = lanes_of("inference", "org/a")

    assert lanes_before(low) == (high, normal)
    assert lanes_before(high) == ()
    assert lanes_before("inference") == ()
