"""The batcher finds the right size of a batch by itself, on whatever device, and finds it again when that changes."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engine.batch_cost import FORGET_AFTER_BATCHES, WARM_UP_BATCHES, BatchCost
from actors.engine.batcher import cut_batch
from actors.engine.work import Item, Row
from tests.engine.jobs import rows
from tests.engine.simulated_device import Cost, SimulatedDevice, best_fixed_rate, like_a_cpu, like_a_gpu

#: Batches after which a device is expected to be known.
LEARNING_BATCHES = 100


def _mean_rows(batches: list[list[Row]]) -> float:
    return statistics.mean(map(len, batches))


def _width_spread(batches: list[list[Row]]) -> float:
    return statistics.mean(max(row.item.length for row in batch) - batch[0].item.length for batch in batches)


def test_what_nothing_is_known_of_is_taken_whole() -> None:
    waiting = rows(*[Item(None, 30)] * 64)

    assert len(cut_batch(waiting, 4_096, BatchCost())) == 64


@pytest.mark.parametrize("outstanding", [8, 32, 64])
def test_a_device_with_a_large_fixed_part_takes_nearly_everything_that_waits(outstanding: int) -> None:
    device = SimulatedDevice(like_a_gpu, outstanding)
    device.run(LEARNING_BATCHES)

    assert _mean_rows(device.run(200)) > 0.85 * outstanding


def test_texts_of_one_length_are_all_taken_by_a_device_with_a_large_fixed_part() -> None:
    cost = BatchCost()
    for count in [*range(1, 65)] * 3:
        cost.note(30 * count, seconds=0.004 + 0.0001 * count)

    assert len(cut_batch(rows(*[Item(None, 30)] * 64), 16_384, cost)) == 64


def test_a_cpu_settles_at_small_batches_of_neighbours() -> None:
    device = SimulatedDevice(like_a_cpu, outstanding=64)
    device.run(LEARNING_BATCHES)

    batches = device.run(200)

    assert 4 < _mean_rows(batches) < 24
    assert _width_spread(batches) < 8


@pytest.mark.parametrize("cost", [like_a_gpu, like_a_cpu])
@pytest.mark.parametrize("outstanding", [8, 32, 64])
def test_the_learned_size_computes_nearly_as_much_as_the_best_fixed_one(cost: Cost, outstanding: int) -> None:
    device = SimulatedDevice(cost, outstanding)
    device.run(LEARNING_BATCHES)

    assert device.rate(400) > 0.9 * best_fixed_rate(cost, outstanding)


@pytest.mark.parametrize("cost", [like_a_gpu, like_a_cpu])
def test_hiccups_of_a_busy_machine_teach_nothing_wrong(cost: Cost) -> None:
    device = SimulatedDevice(cost, outstanding=64, hiccups=0.05)
    device.run(LEARNING_BATCHES)

    assert device.rate(400) > 0.85 * best_fixed_rate(cost, outstanding=64)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (like_a_gpu, like_a_cpu),
        (like_a_gpu, lambda batch: 3 * like_a_gpu(batch)),
        (like_a_cpu, lambda batch: 3 * like_a_cpu(batch)),
    ],
)
def test_a_machine_that_becomes_slower_is_known_again_within_a_hundred_batches(before: Cost, after: Cost) -> None:
    device = SimulatedDevice(before, outstanding=64)
    device.run(500)

    device.cost = after
    device.run(LEARNING_BATCHES)

    assert device.rate(200) > 0.85 * best_fixed_rate(after, outstanding=64)


def test_a_machine_that_becomes_faster_with_sizes_that_were_slow_is_known_again_once_those_are_forgotten() -> None:
    device = SimulatedDevice(like_a_cpu, outstanding=64)
    device.run(500)

    device.cost = like_a_gpu
    device.run(FORGET_AFTER_BATCHES + LEARNING_BATCHES)

    assert device.rate(200) > 0.85 * best_fixed_rate(like_a_gpu, outstanding=64)


def test_a_slow_first_batch_is_not_held_against_its_size() -> None:
    cost = BatchCost()
    for _ in range(WARM_UP_BATCHES):
        cost.note(1_000, seconds=60.0)

    cost.note(1_000, seconds=0.1)
    cost.note(1_000, seconds=0.1)

    assert cost.seconds(1_000) == pytest.approx(0.1, rel=0.1)


def test_a_size_that_was_slow_once_is_tried_again() -> None:
    cost = BatchCost()
    for _ in range(10):
        cost.note(64, seconds=0.064)
    cost.note(1_024, seconds=60.0)

    assert cost.seconds(1_024) < 1.024


def test_a_size_that_is_not_used_becomes_worth_a_try() -> None:
    cost = BatchCost()
    for _ in range(10):
        cost.note(64, seconds=0.064)
        cost.note(1_024, seconds=2.048)
    at_first = cost.seconds(1_024)

    for _ in range(FORGET_AFTER_BATCHES):
        cost.note(64, seconds=0.064)

    assert at_first > 16 * cost.seconds(64) > cost.seconds(1_024)


@given(st.lists(st.tuples(st.integers(1, 100_000), st.floats(1e-6, 1e3))), st.integers(1, 1_000_000))
def test_every_size_has_a_cost_whatever_was_measured(measured: list[tuple[int, float]], size: int) -> None:
    cost = BatchCost()
    for tokens, seconds in measured:
        cost.note(tokens, seconds)

    assert cost.seconds(size) > 0
