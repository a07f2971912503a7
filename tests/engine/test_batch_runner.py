"""A batch that does not fit fails nobody who fits, and teaches how large the next one may be."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from actors.devices.backend import DeviceName
from actors.engine.batch_ceiling import FIRST_PATIENCE
from actors.engine.batch_cost import BatchCost
from actors.engine.batch_runner import BatchRunner
from actors.engine.batcher import cut_batch, tokens_at_end
from actors.engine.loader import LoadedModel
from actors.engine.work import Deliver, Item, Job, Output, Row
from actors.errors import DeviceOutOfMemory
from tests.engine.jobs import job, model_key, stored_model

BUDGET = 320


class Timeless(BatchCost):
    """A batch takes the same time whatever its size, so that memory alone bounds it."""

    def note(self, padded_tokens: int, seconds: float) -> None:
        """Learns nothing."""


class Cramped:
    """A device with room for so many tokens, and so many models idle in its memory that take as much each."""

    name = DeviceName("directml", 0)

    def __init__(self, room: int, idle_models: int = 0) -> None:
        self.room, self.idle_models = room, idle_models
        self.batches: list[int] = []

    def release(self) -> None:
        """Nothing to give back."""

    def after_batch(self) -> None:
        """Nothing to read."""

    def evict_idle(self) -> bool:
        """What the cache does."""
        if not self.idle_models:
            return False
        self.idle_models, self.room = self.idle_models - 1, 2 * self.room
        return True

    def compute(self, model: LoadedModel, rows: Sequence[Row], deliver: Deliver) -> None:
        """What a task does."""
        self.batches.append(tokens_at_end(rows))
        if tokens_at_end(rows) > self.room:
            raise RuntimeError("Could not allocate tensor with 9 bytes. There is not enough GPU video memory!")
        for row in rows:
            deliver(row, Output(len(rows)))


class Served:
    """A model on that device, and what waits for it."""

    def __init__(self, device: Cramped) -> None:
        nothing: Any = None
        self.device = device
        self.model = LoadedModel(model_key("a"), stored_model("a"), nothing, nothing, nothing, "float32", 1)
        self.model.cost = Timeless()
        self._runner = BatchRunner(device, device)  # type: ignore[arg-type]  # one fake is device and cache
        self.jobs: list[Job] = []

    def run(self, jobs: int = 32, tokens: int = 10, reserve: int = 0) -> list[int]:
        """Computes tasks of one row each until none waits; the sizes of the batches that were begun for them."""
        self.device.batches.clear()
        self.jobs = [job("org/name", Item(None, tokens, reserve)) for _ in range(jobs)]
        while waiting := [row for each in self.jobs if not each.future.done() for row in each.rows]:
            batch = cut_batch(waiting, self.model.ceiling.within(BUDGET), self.model.cost)
            self._runner.run(self.device, self.model, batch)  # type: ignore[arg-type]  # the fake is the task too
        return list(self.device.batches)

    @property
    def failed(self) -> list[BaseException]:
        """The errors of those that failed."""
        return [error for each in self.jobs if (error := each.future.exception())]


def test_the_batch_after_a_halved_one_begins_at_the_learned_size() -> None:
    served = Served(Cramped(room=100))

    assert served.run() == [320, 160, 80, 80, 80, 80]  # the second half of 160 is not tried: the first was too large
    assert served.failed == []
    assert set(served.run()) == {80}


def test_what_rows_may_still_grow_by_counts() -> None:
    served = Served(Cramped(room=100))

    assert served.run(tokens=2, reserve=8) == [320, 160, 80, 80, 80, 80]


def test_a_row_that_does_not_fit_alone_fails_alone_and_is_no_measure_for_others() -> None:
    served = Served(Cramped(room=100))
    served.run()

    served.run(jobs=1, tokens=200)

    assert [type(error) for error in served.failed] == [DeviceOutOfMemory]
    assert served.model.ceiling.tokens == 80


def test_idle_models_make_room_before_a_batch_is_halved() -> None:
    served = Served(Cramped(room=100, idle_models=2))

    assert served.run() == [320, 320, 320]
    assert served.model.ceiling.tokens is None


def test_no_model_is_unloaded_for_the_trial_of_a_larger_batch() -> None:
    served = Served(Cramped(room=100))
    served.run()
    served.device.idle_models = 1

    sizes = {size for _ in range(FIRST_PATIENCE) for size in served.run()}

    assert max(sizes) > served.device.room
    assert served.device.idle_models == 1
    assert served.failed == []


def test_a_batch_that_no_longer_fits_makes_room_and_then_becomes_smaller() -> None:
    served = Served(Cramped(room=100))
    served.run()
    served.device.room, served.device.idle_models = 20, 1

    assert served.run(jobs=8) == [80, 80, 40, 40]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("the model choked")])
def test_the_one_row_that_is_left_of_a_batch_is_tried_alone(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Cramped(room=1_000)

    def compute(model: LoadedModel, rows: Sequence[Row], deliver: Deliver) -> None:
        device.batches.append(len(rows))
        for row in rows[: max(1, len(rows) - 1)]:
            deliver(row, Output("done"))
        if len(rows) > 1:
            raise error

    monkeypatch.setattr(device, "compute", compute)
    served = Served(device)

    assert served.run(jobs=4) == [4, 1]
    assert served.failed == []
