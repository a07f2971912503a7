"""The model that makes room is the one that costs the least to have lost."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from actors.engine.eviction import choose_victim, worth

GB = 10**9


@dataclass(frozen=True)
class Model:
    footprint: int = GB
    load_seconds: float = 1.0
    last_used_at: float = 0.0


models = st.builds(Model, st.integers(0, 10**12), st.floats(0, 1000), st.floats(0, 10**6, allow_nan=False))


def test_of_equal_models_the_least_recently_used_goes() -> None:
    old, new = Model(last_used_at=100), Model(last_used_at=900)

    assert choose_victim([new, old], now=1000) is old


def test_of_models_used_alike_the_one_that_is_quickly_read_again_goes() -> None:
    quick, slow = Model(load_seconds=1), Model(load_seconds=60)

    assert choose_victim([slow, quick], now=1000) is quick


def test_of_models_used_alike_the_one_that_frees_more_goes() -> None:
    small, large = Model(footprint=GB), Model(footprint=20 * GB)

    assert choose_victim([small, large], now=1000) is large


def test_a_model_that_is_slow_to_read_stays_although_it_is_older() -> None:
    slow_and_old, quick_and_new = Model(load_seconds=60, last_used_at=0), Model(load_seconds=1, last_used_at=900)

    assert choose_victim([slow_and_old, quick_and_new], now=1000) is quick_and_new


def test_a_model_that_nobody_uses_goes_in_the_end_however_slow_it_is_to_read() -> None:
    slow_and_old, quick_and_new = Model(load_seconds=60, last_used_at=0), Model(load_seconds=1, last_used_at=99_990)

    assert choose_victim([slow_and_old, quick_and_new], now=100_000) is slow_and_old


def test_without_a_model_there_is_no_victim() -> None:
    assert choose_victim([], now=0) is None


@given(st.lists(models, min_size=1), st.floats(0, 10**6))
def test_the_victim_is_never_worth_more_than_another(known: list[Model], now: float) -> None:
    victim = choose_victim(known, now)

    assert victim is not None
    assert all(worth(victim, now) <= worth(model, now) for model in known)
