"""Batches whose callers take turns become as large as one another, and no others are torn apart."""

import heapq

import pytest

from actors.engine.turns import WAY_BACK_SECONDS, Turns
from actors.engine.work import Item, Row
from tests.engine.jobs import job

BATCH_SECONDS, ROW_SECONDS = 0.004, 0.0001

#: From the end of a batch until its callers' next tasks are there.
WAY_SECONDS = 0.006

TEXT = Item("text", length=3)


def batch_of(count: int, model: str = "org/name", item: Item = TEXT) -> list[Row]:
    """The rows of as many tasks."""
    return [row for _ in range(count) for row in job(model, item).rows]


@pytest.fixture
def turns() -> Turns:
    """After a batch of 8 rows that took from 0.99 to 1 s."""
    turns = Turns()
    turns.even(batch_of(8), now=0.99)
    turns.note(started=0.99, ended=1.0)
    return turns


def test_a_larger_batch_that_the_device_had_to_wait_for_is_cut_halfway_to_the_last_one(turns: Turns) -> None:
    batch = batch_of(25)

    assert turns.even(batch, now=1.005) == batch[:17]


def test_callers_who_come_all_at_once_are_computed_in_one_batch_again_after_they_were_torn_apart(turns: Turns) -> None:
    batch = batch_of(24)
    assert len(turns.even(batch, now=1.03)) == 16
    turns.note(started=1.03, ended=1.036)
    assert len(turns.even(batch[16:], now=1.036)) == 8
    turns.note(started=1.036, ended=1.041)

    assert turns.even(batch, now=1.055) == batch


@pytest.mark.parametrize("now", [1.0005, 1.0 + 2 * WAY_BACK_SECONDS], ids=["at once", "after a rest"])
def test_a_batch_that_comes_at_once_or_after_a_rest_is_left_whole(turns: Turns, now: float) -> None:
    batch = batch_of(25)

    assert turns.even(batch, now) == batch


@pytest.mark.parametrize(
    "batch",
    [
        batch_of(8),
        batch_of(25, model="org/other"),
        batch_of(25, item=Item("prompt", length=3, reserve=20)),
        job("org/name", *[TEXT] * 25).rows,
    ],
    ids=["as many", "of another model", "growing rows", "one task of many rows"],
)
def test_others_are_left_whole(turns: Turns, batch: list[Row]) -> None:
    assert turns.even(batch, now=1.005) == batch


def test_the_first_batch_is_left_whole() -> None:
    batch = batch_of(25)

    assert Turns().even(batch, now=0.01) == batch


def busy_share(turns: Turns | None, groups: list[int], batches: int = 200) -> float:
    """How much of the time a device computes for callers who each wait for their answer, in groups that come so."""
    arrivals = [(WAY_SECONDS * number, size) for number, size in enumerate(groups)]
    now = busy = 0.0
    waiting = 0
    for _ in range(batches):
        while arrivals and (arrivals[0][0] <= now or not waiting):
            arrived_at, size = heapq.heappop(arrivals)
            now, waiting = max(now, arrived_at), waiting + size
        rows = batch_of(waiting)
        batch = turns.even(rows, now) if turns else rows
        seconds = BATCH_SECONDS + ROW_SECONDS * len(batch)
        if turns:
            turns.note(now, now + seconds)
        now, busy, waiting = now + seconds, busy + seconds, waiting - len(batch)
        heapq.heappush(arrivals, (now + WAY_SECONDS, len(batch)))
    return busy / now


def test_a_device_is_kept_busy_by_callers_who_would_take_turns_in_unequal_groups() -> None:
    assert busy_share(None, [8, 24]) < 0.91
    assert busy_share(Turns(), [8, 24]) > 0.96
