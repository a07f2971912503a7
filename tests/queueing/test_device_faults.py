"""When deaths point at the device and not at a task; no Redis."""

from hypothesis import given
from hypothesis import strategies as st

from actors.queueing.device_faults import DEATHS, WINDOW_SECONDS, Death, is_device_at_fault


def deaths(*tasks: str, seconds_between: float = 60.0) -> list[Death]:
    """A death for each text, whose letters are the tasks in hand."""
    return [Death(f"gpu-1-{number}", number * seconds_between, set(held)) for number, held in enumerate(tasks)]


def test_three_deaths_with_no_task_in_common_point_at_the_device() -> None:
    assert is_device_at_fault(deaths("ab", "bc", "cd"))


def test_two_deaths_are_not_enough() -> None:
    assert not is_device_at_fault(deaths("a", "b"))


def test_the_latest_three_count() -> None:
    assert is_device_at_fault(deaths("a", "a", "b", "c"))
    assert not is_device_at_fault(deaths("a", "b", "c", "c", "c"))


def test_deaths_that_lie_far_apart_are_chance() -> None:
    assert not is_device_at_fault(deaths("a", "b", "c", seconds_between=WINDOW_SECONDS / 2 + 1))


@given(st.lists(st.frozensets(st.sampled_from("abcdef")), min_size=DEATHS, max_size=6))
def test_a_task_that_ends_every_process_never_speaks_against_its_device(
    neighbours: list[frozenset[str]],
) -> None:
    assert not is_device_at_fault(deaths(*("".join(others) + "P" for others in neighbours)))
