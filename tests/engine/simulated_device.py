"""A device whose batches take what a formula says: the engine's choice of batches without an engine."""

import random
from collections.abc import Callable
from functools import cache

from actors.engine.batch_cost import BatchCost
from actors.engine.batcher import cut_batch, padded_tokens
from actors.engine.work import Item, Row
from tests.engine.jobs import rows

#: Seconds that a batch takes.
Cost = Callable[[list[Row]], float]

MILLISECOND = 0.001

BUDGET_TOKENS = 4_096


def like_a_gpu(batch: list[Row]) -> float:
    """A fixed part, and little for each row."""
    return (4 + 0.1 * len(batch)) * MILLISECOND


def like_a_cpu(batch: list[Row]) -> float:
    """A small fixed part; beyond 512 padded tokens the caches overflow and each further one costs more."""
    size = padded_tokens(batch)
    return (6 + 0.2 * size + 0.0002 * max(0, size - 512) ** 2) * MILLISECOND


class SimulatedDevice:
    """A closed loop: texts of 8 to 42 tokens come in as fast as they are computed."""

    def __init__(self, cost: Cost, outstanding: int, rows_per_batch: int | None = None, hiccups: float = 0.0) -> None:
        """`rows_per_batch` turns learning off; `hiccups` is the share of batches that take ten times as long."""
        self.cost = cost
        self.learned = BatchCost()
        self._rows_per_batch, self._hiccups = rows_per_batch, hiccups
        self._random = random.Random(1)
        self._waiting = self._new_rows(outstanding)

    def run(self, batches: int) -> list[list[Row]]:
        """Computes so many batches, learning from each."""
        return [self._run_one() for _ in range(batches)]

    def rate(self, batches: int) -> float:
        """Tokens a second over so many batches, hiccups not counted."""
        ran = self.run(batches)
        return sum(row.item.length for batch in ran for row in batch) / sum(map(self.cost, ran))

    def _run_one(self) -> list[Row]:
        batch = cut_batch(self._waiting, BUDGET_TOKENS, self.learned)
        if self._rows_per_batch:
            batch = batch[: self._rows_per_batch]
        else:
            slower = 10 if self._random.random() < self._hiccups else self._random.uniform(0.95, 1.05)
            self.learned.note(padded_tokens(batch), self.cost(batch) * slower)
        taken = set(map(id, batch))
        self._waiting = [row for row in self._waiting if id(row) not in taken] + self._new_rows(len(batch))
        return batch

    def _new_rows(self, count: int) -> list[Row]:
        return rows(*(Item(None, self._random.randint(8, 42)) for _ in range(count)))


@cache
def best_fixed_rate(cost: Cost, outstanding: int) -> float:
    """Tokens a second with the best number of rows that is the same for every batch."""
    return max(SimulatedDevice(cost, outstanding, count).rate(100) for count in (1, 2, 4, 8, 12, 16, 24, 32, 48, 64))
