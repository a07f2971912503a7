"""What is kept in host memory stays within its budget, and the least recently used goes first."""

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engine.host_cache import HostCache

BUDGET = 100


def keep(cache: HostCache[str, str], name: str, size: int) -> list[str]:
    """Keeps a name under itself; returns what went for it."""
    gone = cache.make_room(size)
    cache.keep(name, name, size)
    return gone


def test_what_was_not_used_for_the_longest_time_makes_room() -> None:
    cache: HostCache[str, str] = HostCache(BUDGET)
    for name in ("a", "b", "c"):
        keep(cache, name, 30)

    assert cache.find("a") == "a"
    assert keep(cache, "d", 40) == ["b"]
    assert cache.keys == ("c", "a", "d")


def test_without_a_budget_nothing_fits() -> None:
    assert not HostCache[str, str](0).fits(1)


def test_what_there_is_no_room_for_is_refused() -> None:
    cache: HostCache[str, str] = HostCache(BUDGET)
    keep(cache, "a", 60)

    with pytest.raises(ValueError, match="41 bytes do not fit beside 60 of 100"):
        cache.keep("b", "b", 41)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, BUDGET + 20)), max_size=40))
def test_whatever_is_kept_and_found_the_budget_holds_and_the_oldest_go(steps: list[tuple[str, int]]) -> None:
    cache: HostCache[str, str] = HostCache(BUDGET)
    expected: OrderedDict[str, int] = OrderedDict()

    for name, size in steps:
        if name in expected:
            assert cache.find(name) == name
            expected.move_to_end(name)
        elif cache.fits(size):
            gone = []
            while sum(expected.values()) + size > BUDGET:
                gone.append(expected.popitem(last=False)[0])
            assert keep(cache, name, size) == gone
            expected[name] = size
        else:
            assert size > BUDGET
            assert cache.find(name) is None

        assert cache.keys == tuple(expected)
        assert cache.used_bytes == sum(expected.values()) <= BUDGET
