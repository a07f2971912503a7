"""Which rows share a batch, and whose turn it is."""

from hypothesis import given
from hypothesis import strategies as st

from actors.engine.batch_cost import BatchCost
from actors.engine.batcher import WaitingRows, cut_batch, halves
from actors.engine.work import Item, Row
from tests.engine.jobs import job, lengths, model_key, rows

CONTEXT = 600

SWAP_MAX_WAIT_SECONDS = 10.0


@st.composite
def _items(draw: st.DrawFn) -> Item:
    """A row that fits its model's context alone, as every task makes sure."""
    length, reserve = draw(st.integers(1, 300)), draw(st.integers(0, 300))
    limit = draw(st.none() | st.integers(length + reserve, CONTEXT))
    return Item(content=None, length=length, reserve=reserve, limit=limit)


waiting_rows = st.lists(_items(), min_size=1, max_size=40).map(lambda items: rows(*items))
budgets = st.integers(1, 5_000)


def _width(batch: list[Row]) -> int:
    return max(row.item.length for row in batch) + max(row.item.reserve for row in batch)


def _distance(row: Row, other: Row) -> int:
    return abs(row.item.length - other.item.length)


@given(waiting_rows, budgets)
def test_the_oldest_row_is_always_in_the_batch(waiting: list[Row], budget: int) -> None:
    batch = cut_batch(waiting, budget, BatchCost())

    assert batch[0] is waiting[0]
    assert len({id(row) for row in batch}) == len(batch)
    assert {id(row) for row in batch} <= {id(row) for row in waiting}


@given(waiting_rows, budgets)
def test_a_batch_with_its_padding_keeps_to_the_budget_unless_a_row_is_alone(waiting: list[Row], budget: int) -> None:
    batch = cut_batch(waiting, budget, BatchCost())

    assert len(batch) == 1 or _width(batch) * len(batch) <= budget


@given(waiting_rows, budgets)
def test_no_batch_grows_wider_than_any_of_its_rows_may(waiting: list[Row], budget: int) -> None:
    batch = cut_batch(waiting, budget, BatchCost())

    assert all(row.item.limit is None or _width(batch) <= row.item.limit for row in batch)


@given(waiting_rows, budgets)
def test_the_rows_nearest_in_length_are_taken(waiting: list[Row], budget: int) -> None:
    batch = cut_batch(waiting, budget, BatchCost())

    left_out = [row for row in waiting if row not in batch]
    farthest_taken = max(_distance(row, waiting[0]) for row in batch)
    assert all(_distance(row, waiting[0]) >= farthest_taken for row in left_out)


@given(waiting_rows, budgets)
def test_every_row_is_computed_after_no_more_batches_than_rows(waiting: list[Row], budget: int) -> None:
    remaining, cuts = list(waiting), 0

    while remaining:
        batch = cut_batch(remaining, budget, BatchCost())
        remaining = [row for row in remaining if row not in batch]
        cuts += 1

    assert cuts <= len(waiting)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=40), st.integers(1, 5_000))
def test_no_batch_is_smaller_than_it_has_to_be(row_lengths: list[int], budget: int) -> None:
    waiting = rows(*(Item(None, length) for length in row_lengths))

    batch = cut_batch(waiting, budget, BatchCost())

    left_out = [row for row in waiting if row not in batch]
    if left_out:
        next_one = min(left_out, key=lambda row: _distance(row, waiting[0]))
        candidates = [row for row in left_out if _distance(row, waiting[0]) == _distance(next_one, waiting[0])]
        assert any(_width([*batch, row]) * (len(batch) + 1) > budget for row in candidates)


def test_short_rows_do_not_pay_for_a_long_one() -> None:
    waiting = rows(*(Item(None, length) for length in (10, 500, 11, 9, 480)))

    assert sorted(lengths(cut_batch(waiting, 1_000, BatchCost()))) == [9, 10, 11]


def test_what_a_row_may_still_generate_counts_as_its_width() -> None:
    waiting = rows(*[Item(None, length=10, reserve=90)] * 5)

    assert len(cut_batch(waiting, 300, BatchCost())) == 3


@given(waiting_rows, budgets, st.lists(st.tuples(st.integers(1, 5_000), st.floats(1e-6, 100)), max_size=30))
def test_whatever_was_learned_the_oldest_row_is_computed_with_its_nearest_within_the_budget(
    waiting: list[Row], budget: int, measured: list[tuple[int, float]]
) -> None:
    cost = BatchCost()
    for size, seconds in measured:
        cost.note(size, seconds)

    batch = cut_batch(waiting, budget, cost)

    assert batch == cut_batch(waiting, budget, BatchCost())[: len(batch)]
    assert batch[0] is waiting[0]


def test_rows_that_grow_fill_the_budget_whatever_was_learned_of_others() -> None:
    cost = BatchCost()
    for _ in range(10):
        cost.note(10, seconds=0.001)
        cost.note(100, seconds=10.0)

    growing = rows(*[Item(None, length=10, reserve=90)] * 5)
    reading = rows(*[Item(None, length=10)] * 5)

    assert len(cut_batch(growing, 500, cost)) == 5
    assert len(cut_batch(reading, 500, cost)) < 5


@given(waiting_rows)
def test_halves_are_the_whole_in_order(waiting: list[Row]) -> None:
    first, second = halves(waiting)

    assert [*first, *second] == waiting
    assert 0 <= len(second) - len(first) <= 1


def _next_model(waiting: WaitingRows, *loaded: str, now: float) -> str:
    keys = {model_key(name) for name in loaded}
    return waiting.next_group(keys.__contains__, now)[0].model.name


def test_a_loaded_model_goes_before_an_older_job_that_needs_a_load() -> None:
    waiting = WaitingRows(SWAP_MAX_WAIT_SECONDS)
    waiting.add(job("not loaded", submitted_at=0.0))
    waiting.add(job("loaded", submitted_at=1.0))

    assert _next_model(waiting, "loaded", now=2.0) == "loaded"


def test_a_job_that_needs_a_load_has_its_turn_once_it_has_waited_long_enough() -> None:
    waiting = WaitingRows(SWAP_MAX_WAIT_SECONDS)
    waiting.add(job("not loaded", submitted_at=0.0))
    waiting.add(job("loaded", submitted_at=1.0))

    assert _next_model(waiting, "loaded", now=SWAP_MAX_WAIT_SECONDS - 0.1) == "loaded"
    assert _next_model(waiting, "loaded", now=SWAP_MAX_WAIT_SECONDS) == "not loaded"


def test_among_loaded_models_and_among_others_the_oldest_job_goes_first() -> None:
    waiting = WaitingRows(SWAP_MAX_WAIT_SECONDS)
    for second, model in enumerate(("old", "young", "older load", "younger load")):
        waiting.add(job(model, submitted_at=float(second)))

    assert _next_model(waiting, "old", "young", now=4.0) == "old"
    assert _next_model(waiting, now=4.0) == "old"
    assert _next_model(waiting, "young", now=4.0) == "young"


def test_nothing_waits_for_a_loaded_model_that_nobody_asks_for() -> None:
    waiting = WaitingRows(SWAP_MAX_WAIT_SECONDS)
    waiting.add(job("not loaded", submitted_at=0.0))

    assert _next_model(waiting, "something else", now=0.0) == "not loaded"


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=30))
def test_no_model_starves_while_another_is_always_asked_for(others: list[str]) -> None:
    waiting, now, served = WaitingRows(SWAP_MAX_WAIT_SECONDS), 0.0, []
    waiting.add(job("starving", submitted_at=now))

    while "starving" not in served:
        assert now <= SWAP_MAX_WAIT_SECONDS + 1
        for other in others:
            waiting.add(job(other, submitted_at=now))
        group = waiting.next_group(lambda key: key.name != "starving", now)
        served.append(group[0].model.name)
        group[0].future.cancel()
        waiting.remove_finished()
        now += 1.0


def test_tasks_of_one_model_do_not_share_a_batch() -> None:
    waiting = WaitingRows(SWAP_MAX_WAIT_SECONDS)
    for task in ("embed", "classify", "embed"):
        waiting.add(job(task=task))

    group = waiting.next_group(lambda key: True, now=0.0)

    assert [waiting_job.task for waiting_job in group] == ["embed", "embed"]


def test_a_job_that_is_done_waits_no_longer() -> None:
    waiting, done, left = WaitingRows(SWAP_MAX_WAIT_SECONDS), job(), job()
    waiting.add(done)
    waiting.add(left)

    done.fail(RuntimeError())
    waiting.remove_finished()

    assert waiting.drain() == [left]
    assert not waiting


def test_nothing_waits_when_everything_is_done() -> None:
    waiting, done = WaitingRows(SWAP_MAX_WAIT_SECONDS), job()
    waiting.add(done)

    done.fail(RuntimeError())
    waiting.remove_finished()

    assert not waiting
