"""The processor is a device like the others."""

import pytest
import torch

from actors.devices import cpu
from actors.devices.cpu import CpuDevice
from actors.errors import DeviceUnavailable
from settings.config import Settings


@pytest.fixture
def device() -> CpuDevice:
    """The processor."""
    return cpu.open_device(0, Settings(_env_file=None))


def test_a_host_has_one_processor_with_a_name() -> None:
    (label,) = cpu.device_labels()

    assert "cores" in label


def test_further_workers_may_share_the_processor() -> None:
    assert str(cpu.open_device(3, Settings(_env_file=None)).name) == "cpu:3"


def test_its_memory_is_the_hosts_and_this_processs_share_of_it(device: CpuDevice) -> None:
    memory = device.memory()

    assert memory.total is not None
    assert memory.used is not None
    assert 0 < memory.used < memory.total
    assert memory.allocated is None


def test_it_computes_what_it_computes(device: CpuDevice) -> None:
    device.self_test()


def test_a_device_that_computes_something_else_is_not_trusted(
    device: CpuDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = iter([torch.zeros(2), torch.tensor([0.0, 0.5])])
    monkeypatch.setattr(device, "_transformer_step", lambda where: next(results))

    with pytest.raises(DeviceUnavailable, match=r"cpu:0 .* computes wrong results: 0\.5 away from the CPU's"):
        device.self_test()


def test_a_device_that_computes_no_numbers_is_not_trusted(device: CpuDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_transformer_step", lambda where: torch.tensor([float("nan")]))

    with pytest.raises(DeviceUnavailable, match="computes wrong results: nan"):
        device.self_test()


def test_cpu_threads_bounds_what_one_process_computes_with() -> None:
    before = torch.get_num_threads()

    cpu.open_device(0, Settings(_env_file=None, cpu_threads=before + 1))

    assert torch.get_num_threads() == before + 1
    torch.set_num_threads(before)
