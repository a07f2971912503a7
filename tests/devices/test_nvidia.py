"""What NVML tells of a GPU, from a module with the functions of nvidia-ml-py."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from actors.devices.backend import DeviceActivity
from actors.devices.nvidia import NvidiaGpu

UUID = "1f3e5a7c-0000-1111-2222-333344445555"


class NVMLError(Exception):
    """nvidia-ml-py's own."""


class FakeNvml:
    """Two identical GPUs, in NVML's order; `missing` names the questions that they do not answer."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, *missing: str) -> None:
        self._missing = missing

    def nvmlInit(self) -> None:  # noqa: N802  # its name
        self._answer("driver")

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:  # noqa: N802
        try:
            return ["GPU-another", f"GPU-{UUID}"].index(uuid)
        except ValueError:
            raise NVMLError("Not Found") from None

    def nvmlDeviceGetPciInfo(self, handle: int) -> Any:  # noqa: N802
        self._answer("pci")
        return SimpleNamespace(busId=["00000000:01:00.0", "00000000:C1:00.0"][handle])

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        self._answer("busy")
        return SimpleNamespace(gpu=[3, 74][handle], memory=50)

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:  # noqa: N802
        self._answer("temperature")
        return [30, 66][handle]

    def _answer(self, what: str) -> None:
        if what in self._missing:
            raise NVMLError("Not Supported")


def found(nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> NvidiaGpu | None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    return NvidiaGpu.find(UUID)


def test_a_gpu_is_found_by_what_no_other_has(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = found(FakeNvml(), monkeypatch)

    assert gpu
    assert gpu.pci_address() == "0000:c1:00.0"
    assert gpu.activity() == DeviceActivity(busy_percent=74, temperature_celsius=66, source="NVML")


def test_a_part_of_a_divided_gpu_does_not_tell_how_busy_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = found(FakeNvml("busy"), monkeypatch)

    assert gpu
    assert gpu.activity() == DeviceActivity(busy_percent=None, temperature_celsius=66, source="NVML")


def test_a_gpu_that_answers_nothing_has_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = found(FakeNvml("pci", "busy", "temperature"), monkeypatch)

    assert gpu
    assert (gpu.pci_address(), gpu.activity()) == (None, DeviceActivity())


def test_without_a_driver_or_the_library_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(FakeNvml("driver"), monkeypatch) is None

    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert NvidiaGpu.find(UUID) is None


def test_a_gpu_that_nvml_does_not_know_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())

    assert NvidiaGpu.find("MIG-something") is None
