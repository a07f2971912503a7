"""An unload that leaves memory taken is measured, and the process is to end for it when it is worth a restart."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.devices.backend import DeviceMemory, DeviceName
from actors.engine.unreturned import Unreturned, missing_bytes
from tests.engine.jobs import model_key

MEGABYTE = 2**20

bytes_of_memory = st.integers(0, 2**40)


@dataclass
class Device:
    """As much of a device as is measured."""

    allocated: int | None
    used_by_process: int | None = None
    name: ClassVar = DeviceName("directml", 0)

    def memory(self) -> DeviceMemory:
        return DeviceMemory(allocated=self.allocated, used_by_process=self.used_by_process)


def unload(unreturned: Unreturned, footprint: int, returned: int, allocated: int | None) -> None:
    device: Any = Device(allocated)
    with unreturned.measured(device, model_key("org/a"), footprint):
        device.allocated = None if allocated is None else allocated - returned


@given(bytes_of_memory, bytes_of_memory, bytes_of_memory)
def test_no_more_is_missing_than_the_model_took_unless_the_rest_grew(footprint: int, before: int, after: int) -> None:
    missing = missing_bytes(footprint, before, after)

    assert missing is None or 0 <= missing <= footprint + max(0, after - before)


@pytest.mark.parametrize(
    ("footprint", "before", "after", "missing"),
    [
        (1_000, 1_500, 500, 0),
        (1_000, 1_500, 400, 0),  # what it had computed with was still there
        (1_000, 1_500, 590, 0),  # a driver rounds
        (1_000, 1_500, 1_200, 700),
        (1_000, 1_500, 1_500, 1_000),
        (1_000, 0, 0, None),  # a driver that always says 0
        (1_000, None, None, None),
    ],
)
def test_what_is_missing(footprint: int, before: int | None, after: int | None, missing: int | None) -> None:
    assert missing_bytes(footprint, before, after) == missing


def test_absent_is_not_zero() -> None:
    unreturned = Unreturned()

    unload(unreturned, 10 * MEGABYTE, 10 * MEGABYTE, allocated=None)
    assert unreturned.bytes is None

    unload(unreturned, 10 * MEGABYTE, 10 * MEGABYTE, allocated=20 * MEGABYTE)
    assert unreturned.bytes == 0


@pytest.mark.parametrize("allocated", [0, None])
@pytest.mark.parametrize(("held_after", "missing"), [(15, 10), (5, 0)])
def test_what_the_system_says_counts_where_the_driver_does_not_know(
    allocated: int | None, held_after: int, missing: int
) -> None:
    unreturned, device = Unreturned(), Device(allocated, used_by_process=15 * MEGABYTE)

    with unreturned.measured(cast("Any", device), model_key("org/a"), 10 * MEGABYTE):
        device.used_by_process = held_after * MEGABYTE

    assert unreturned.bytes == missing * MEGABYTE


def test_a_driver_that_knows_is_believed_although_the_process_keeps_its_pool() -> None:
    unreturned, device = Unreturned(), Device(10 * MEGABYTE, used_by_process=15 * MEGABYTE)

    with unreturned.measured(cast("Any", device), model_key("org/a"), 10 * MEGABYTE):
        device.allocated = 0

    assert unreturned.bytes == 0


def test_memory_that_holds_one_model_after_another_is_missing_once() -> None:
    unreturned = Unreturned()

    for _ in range(3):
        unload(unreturned, 10 * MEGABYTE, 0, allocated=12 * MEGABYTE)

    assert unreturned.bytes == 12 * MEGABYTE


@pytest.mark.parametrize(("budget", "unloads"), [(None, 1), (100 * MEGABYTE, 1), (1_000 * MEGABYTE, 5)])
def test_the_process_is_to_end_once_when_a_part_of_what_models_may_take_is_missing(
    budget: int | None, unloads: int
) -> None:
    unreturned, reasons = Unreturned(), list[str]()
    unreturned.when_due = reasons.append

    for _ in range(unloads):
        unreturned.settle(budget)
        assert reasons == []
        unload(unreturned, 10 * MEGABYTE, 0, allocated=60 * MEGABYTE)

    unreturned.settle(budget)
    unreturned.settle(budget)
    (reason,) = reasons
    assert reason == f"unloaded models left {unloads * 10 * MEGABYTE:,} bytes of the device's memory taken"
