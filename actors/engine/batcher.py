"""Which of the waiting rows are computed together. Pure: no device, no threads, no clock of its own."""

import math
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from actors.engine.batch_cost import BatchCost
from actors.engine.work import Item, Job, ModelKey, Row


class WaitingRows:
    """Jobs and rows in the order in which they came, by the group that may share a batch."""

    def __init__(self, swap_max_wait: float) -> None:
        self._swap_max_wait = swap_max_wait
        self._groups: dict[Hashable, list[Job]] = {}

    def __bool__(self) -> bool:
        return bool(self._groups)

    def add(self, job: Job) -> None:
        """Appends a job to its group."""
        self._groups.setdefault(job.group, []).append(job)

    def next_group(self, is_loaded: Callable[[ModelKey], bool], now: float) -> list[Job]:
        """The group whose turn it is, oldest job first.

        A loaded model's group goes before one that would have to be loaded, until that one has waited SWAP_MAX_WAIT,
        its time in the queue included.
        """

        def turn(jobs: list[Job]) -> tuple[bool, float]:
            waits_for_load = not is_loaded(jobs[0].key) and now - jobs[0].waiting_since < self._swap_max_wait
            return waits_for_load, jobs[0].waiting_since

        return min(self._groups.values(), key=turn)

    def models(self) -> set[ModelKey]:
        """What the waiting jobs need."""
        return {jobs[0].key for jobs in self._groups.values() if jobs}

    def remove_finished(self) -> None:
        """Forgets jobs that have ended."""
        for group, jobs in list(self._groups.items()):
            jobs[:] = [job for job in jobs if not job.has_ended]
            if not jobs:
                del self._groups[group]

    def drain(self) -> list[Job]:
        """Takes everything out."""
        jobs = [job for group in self._groups.values() for job in group]
        self._groups.clear()
        return jobs


def cut_batch(rows: Sequence[Row], budget_tokens: int, cost: BatchCost) -> list[Row]:
    """The oldest row and those nearest to it in length, as many as are computed at the highest rate.

    The oldest row comes first in `rows` and is always part of the batch, so none waits for ever; neighbours in length
    waste the least padding. A batch's rows times its widest row, growth included, stay within the budget. Rows that
    grow fill it: how long they take is not told by their size.
    """
    batch = _nearest_rows(rows, budget_tokens)
    return batch if batch[0].item.reserve else batch[: _fastest_count(batch, cost)]


def padded_tokens(batch: Sequence[Row]) -> int:
    """The size of a batch as a device sees it: its rows times the widest of them."""
    return len(batch) * max(row.item.length for row in batch)


def tokens_at_end(batch: Sequence[Row]) -> int:
    """The same when every row has grown as far as it may: what the device's memory has to hold."""
    return len(batch) * (max(row.item.length for row in batch) + max(row.item.reserve for row in batch))


def _nearest_rows(rows: Sequence[Row], budget_tokens: int) -> list[Row]:
    """As many rows as the budget holds, the oldest first, then by their distance from it in length."""
    oldest = rows[0]
    by_length = sorted(rows, key=lambda row: row.item.length)
    left = right = by_length.index(oldest)
    batch, extent = [oldest], _Extent().with_row(oldest.item)
    while neighbours := _neighbours(by_length, left, right):
        nearest = min(neighbours, key=lambda index: abs(by_length[index].item.length - oldest.item.length))
        extent = extent.with_row(by_length[nearest].item)
        if not extent.fits(budget_tokens):
            break
        batch.append(by_length[nearest])
        left, right = min(left, nearest), max(right, nearest)
    return batch


def _fastest_count(batch: Sequence[Row], cost: BatchCost) -> int:
    """How many of the rows, from the first on, give the most tokens a second; padding is no gain."""
    best_count, best_rate, tokens, width = 1, 0.0, 0, 0
    for count, row in enumerate(batch, start=1):
        tokens, width = tokens + row.item.length, max(width, row.item.length)
        rate = tokens / cost.seconds(count * width)
        if rate >= best_rate:
            best_count, best_rate = count, rate
    return best_count


def halves(rows: Sequence[Row]) -> tuple[Sequence[Row], Sequence[Row]]:
    """The two batches that a failed one is tried again as."""
    middle = len(rows) // 2
    return rows[:middle], rows[middle:]


def _neighbours(by_length: Sequence[Row], left: int, right: int) -> list[int]:
    return [index for index in (left - 1, right + 1) if 0 <= index < len(by_length)]


class _Extent(NamedTuple):
    """How large a batch is, so that a further row need not look at all the others: there may be thousands."""

    rows: int = 0
    length: int = 0
    reserve: int = 0
    limit: float = math.inf

    def with_row(self, item: Item) -> "_Extent":
        """The extent with one row more."""
        return _Extent(
            rows=self.rows + 1,
            length=max(self.length, item.length),
            reserve=max(self.reserve, item.reserve),
            limit=self.limit if item.limit is None else min(self.limit, item.limit),
        )

    def fits(self, budget_tokens: int) -> bool:
        """Whether the device and every row can take it."""
        width = self.length + self.reserve
        return width * self.rows <= budget_tokens and width <= self.limit
