"""CUDA and XPU devices over a driver module that stands in for torch's; no GPU is needed."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from actors.devices.backend import DeviceName
from actors.devices.cuda import CudaDevice
from actors.devices.driver_device import DriverDevice
from actors.devices.xpu import XpuDevice
from actors.errors import DeviceUnavailable

GIGABYTE = 2**30


def driver(**members: Any) -> SimpleNamespace:
    """A module with a GPU of 24 GB; what is named replaces what it has."""
    has = {
        "memory_allocated": lambda index: 3 * GIGABYTE,
        "mem_get_info": lambda index: (10 * GIGABYTE, 24 * GIGABYTE),
        "get_device_properties": lambda index: SimpleNamespace(total_memory=24 * GIGABYTE),
    }
    return SimpleNamespace(**{**has, **members})


def refuse(index: int) -> tuple[int, int]:
    raise RuntimeError("The device doesn't support querying the available free memory.")


def device_of(module: SimpleNamespace) -> DriverDevice:
    class Device(DriverDevice):
        driver = module
        source = "torch (here)"

    return Device(DeviceName("xpu", 0), "a GPU", torch.device("cpu"))


def test_memory_is_the_drivers_with_what_others_take() -> None:
    memory = device_of(driver()).memory()

    assert (memory.total, memory.used, memory.allocated) == (24 * GIGABYTE, 14 * GIGABYTE, 3 * GIGABYTE)
    assert memory.source == "torch (here)"


def test_a_driver_that_does_not_tell_what_is_free_leaves_the_total() -> None:
    memory = device_of(driver(mem_get_info=refuse)).memory()

    assert (memory.total, memory.used, memory.allocated) == (24 * GIGABYTE, None, 3 * GIGABYTE)


def test_a_torch_without_the_question_leaves_the_total() -> None:
    module = driver()
    del module.mem_get_info

    assert device_of(module).memory().total == 24 * GIGABYTE


def test_what_the_allocator_keeps_of_freed_tensors_is_given_back() -> None:
    kept = [9 * GIGABYTE]
    module = driver(
        mem_get_info=lambda index: (21 * GIGABYTE - sum(kept), 24 * GIGABYTE),
        empty_cache=kept.clear,
    )
    device = device_of(module)
    assert device.memory().used == 12 * GIGABYTE

    device.release()

    assert device.memory().used == 3 * GIGABYTE


@pytest.mark.parametrize("backend", [CudaDevice, XpuDevice])
def test_a_gpu_that_is_not_there_is_told_with_their_number(backend: type[DriverDevice]) -> None:
    name = backend.backend

    with pytest.raises(DeviceUnavailable, match=f"{name}:1 does not exist; this host has 1 {name.upper()} device"):
        backend.open(1, ["a GPU"])


@pytest.mark.parametrize(
    ("properties", "identity"),
    [
        ({"pci_domain_id": 0, "pci_bus_id": 0xC1, "pci_device_id": 0, "uuid": "1f3e"}, "0000:c1:00.0"),
        ({"uuid": "1f3e"}, "1f3e"),
        ({}, None),
    ],
)
def test_a_cuda_gpu_is_known_by_its_address_else_by_its_uuid(
    properties: dict[str, Any], identity: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(**properties))

    device = CudaDevice(DeviceName("cuda", 0), "a GPU", torch.device("cpu"))

    assert device.identity == identity
    assert device.activity().source is None
