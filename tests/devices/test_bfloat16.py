"""The processor takes bfloat16 for reading models where it is measured to be the faster."""

from collections.abc import Callable, Iterator

import pytest
import torch

from actors.devices import bfloat16, cpu
from settings.config import Settings


@pytest.fixture
def with_seconds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A processor whose steps take these seconds, attempt by attempt; the last for ever."""

    def use(float32: list[float], bfloat16_: list[float]) -> None:
        left = {torch.float32: iter_then_last(float32), torch.bfloat16: iter_then_last(bfloat16_)}
        monkeypatch.setattr(bfloat16, "_seconds", lambda step: next(left[step().dtype]))

    return use


def iter_then_last(seconds: list[float]) -> Iterator[float]:
    yield from seconds
    while True:
        yield seconds[-1]


def test_bfloat16_is_faster_where_it_takes_half_the_time(with_seconds: Callable[..., None]) -> None:
    with_seconds([0.004], [0.002])

    assert bfloat16.is_bfloat16_faster()


def test_a_processor_that_emulates_it_keeps_float32(with_seconds: Callable[..., None]) -> None:
    with_seconds([0.004], [0.1])

    assert not bfloat16.is_bfloat16_faster()


def test_a_small_gain_is_not_worth_the_precision(with_seconds: Callable[..., None]) -> None:
    with_seconds([0.004], [0.0035])

    assert not bfloat16.is_bfloat16_faster()


def test_a_busy_moment_decides_nothing(with_seconds: Callable[..., None]) -> None:
    with_seconds([1.0, 1.0, 0.004, 1.0], [0.01, 0.005])

    assert not bfloat16.is_bfloat16_faster()


def test_this_processor_can_be_tried() -> None:
    assert bfloat16.is_bfloat16_faster() in (True, False)


@pytest.mark.parametrize(("is_faster", "expected"), [(True, "bfloat16"), (False, None)])
def test_auto_asks_the_processor(is_faster: bool, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "is_bfloat16_faster", lambda: is_faster)

    assert cpu.open_device(0, Settings(_env_file=None)).reading_dtype == expected


@pytest.mark.parametrize("requested", ["float32", "bfloat16"])
def test_who_names_a_precision_gets_it_without_a_trial(requested: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "is_bfloat16_faster", lambda: pytest.fail("the processor was tried"))

    assert cpu.open_device(0, Settings(_env_file=None, model_dtype=requested)).reading_dtype is None
