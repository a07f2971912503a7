"""A model's batches fit where they once did not, and become as large again as the memory allows."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.engine.batch_ceiling import FIRST_PATIENCE, MOST_GROWTH, MOST_PATIENCE, BatchCeiling

BUDGET = 8_192

sizes = st.integers(1, 3 * BUDGET)
outcomes = st.lists(st.tuples(st.booleans(), sizes), max_size=200)


@dataclass
class Memory:
    """Room for so many tokens, and as many rows of one width waiting as any batch can take."""

    tokens: int
    width: int
    ceiling: BatchCeiling = field(default_factory=BatchCeiling)

    def run(self, batches: int) -> list[tuple[int, bool]]:
        """The size of each batch, and whether it fitted."""
        return [self._run_one() for _ in range(batches)]

    def _run_one(self) -> tuple[int, bool]:
        rows = max(1, self.ceiling.within(BUDGET) // self.width)
        size, fits = rows * self.width, rows * self.width <= self.tokens
        if fits:
            self.ceiling.note_success(size)
        elif rows > 1:
            self.ceiling.note_failure(size)
        return size, fits

    @property
    def largest(self) -> int:
        """The largest batch that there could be."""
        return max(1, min(self.tokens, BUDGET) // self.width) * self.width


memories = st.builds(Memory, st.integers(1, 2 * BUDGET), st.integers(1, 600)).filter(lambda m: m.width <= m.tokens)


@given(sizes)
def test_nothing_bounds_batches_before_one_has_failed(size: int) -> None:
    ceiling = BatchCeiling()

    ceiling.note_success(size)

    assert ceiling.within(BUDGET) == BUDGET
    assert not ceiling.is_beyond(10 * BUDGET)


@given(outcomes, st.integers(1, BUDGET))
def test_whatever_happened_a_batch_is_within_the_budget_and_little_beyond_what_went_well(
    noted: list[tuple[bool, int]], budget: int
) -> None:
    ceiling = BatchCeiling()
    for went_well, size in noted:
        (ceiling.note_success if went_well else ceiling.note_failure)(size)

        assert 1 <= ceiling.within(budget) <= budget
        assert ceiling.tokens is None or ceiling.within(budget) <= MOST_GROWTH * ceiling.tokens


@given(outcomes, st.integers(2, 3 * BUDGET))
def test_the_batch_after_a_failed_one_is_smaller_and_no_larger_than_its_half_unless_that_was_a_trial(
    noted: list[tuple[bool, int]], size: int
) -> None:
    ceiling = BatchCeiling()
    for went_well, noted_size in noted:
        (ceiling.note_success if went_well else ceiling.note_failure)(noted_size)
    before, was_trial = ceiling.tokens, ceiling.is_beyond(size)

    ceiling.note_failure(size)

    assert ceiling.within(3 * BUDGET) == (before if was_trial else size // 2) < size


@settings(max_examples=30)
@given(memories)
def test_the_largest_batch_that_fits_is_nearly_found_and_failures_become_rare(memory: Memory) -> None:
    memory.run(2_000)

    latest = memory.run(4 * MOST_PATIENCE)

    assert max(size for size, fits in latest if fits) * 1.25 >= memory.largest or memory.largest < 2 * memory.width
    assert sum(not fits for _, fits in latest) <= 4


@settings(max_examples=15)
@given(st.integers(600, 2 * BUDGET), st.integers(600, 2 * BUDGET), st.integers(1, 600))
def test_room_that_comes_and_goes_is_followed(before: int, after: int, width: int) -> None:
    memory = Memory(before, width)
    memory.run(500)
    memory.tokens = after

    memory.run(16 * MOST_PATIENCE)

    assert max(size for size, fits in memory.run(MOST_PATIENCE) if fits) * 1.6 >= memory.largest


def test_after_so_many_batches_at_the_ceiling_a_quarter_more_is_tried_and_kept_when_it_fits() -> None:
    ceiling = BatchCeiling(tokens=1_000)
    for _ in range(FIRST_PATIENCE):
        assert ceiling.within(BUDGET) == 1_000
        ceiling.note_success(1_000)

    assert ceiling.within(BUDGET) == 1_250
    ceiling.note_success(1_250)
    assert (ceiling.tokens, ceiling.within(BUDGET)) == (1_250, 1_250)


def test_a_failed_trial_goes_back_and_waits_twice_as_long() -> None:
    ceiling = BatchCeiling(tokens=1_000)
    for _ in range(FIRST_PATIENCE):
        ceiling.note_success(1_000)
    ceiling.note_failure(1_250)

    for _ in range(2 * FIRST_PATIENCE):
        assert ceiling.within(BUDGET) == 1_000
        ceiling.note_success(1_000)

    assert ceiling.within(BUDGET) == 1_250


def test_rows_too_wide_for_a_small_step_are_tried_in_a_larger_one() -> None:
    memory = Memory(tokens=1_800, width=900, ceiling=BatchCeiling(tokens=900))

    assert max(memory.run(5 * FIRST_PATIENCE)) == (1_800, True)


def test_small_batches_say_nothing_of_the_ceiling() -> None:
    ceiling = BatchCeiling(tokens=1_000)

    for _ in range(10 * FIRST_PATIENCE):
        ceiling.note_success(500)

    assert ceiling.within(BUDGET) == 1_000


def test_halving_again_and_again_is_one_failure() -> None:
    ceiling = BatchCeiling()
    for size in (8_192, 4_096, 2_048):
        ceiling.note_failure(size)
    for _ in range(FIRST_PATIENCE):
        ceiling.note_success(1_024)

    assert ceiling.within(BUDGET) == 1_280
