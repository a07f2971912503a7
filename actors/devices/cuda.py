"""NVIDIA GPUs through CUDA, and AMD GPUs through ROCm builds of torch, which answer to the same names."""

from dataclasses import replace
from typing import Any

import torch

from actors.devices.amdgpu import AmdCard
from actors.devices.backend import DeviceActivity, DeviceMemory, DeviceName
from actors.devices.driver_device import DriverDevice
from actors.devices.nvidia import NvidiaGpu
from actors.errors import DeviceUnavailable
from settings.config import Settings


class CudaDevice(DriverDevice):
    """One GPU of the driver's list; torch tells its memory, NVML or amdgpu the rest."""

    driver = torch.cuda
    backend = "cuda"
    source = "torch (ROCm)" if torch.version.hip else "torch (CUDA)"

    def __init__(self, name: DeviceName, label: str, torch_device: torch.device) -> None:
        super().__init__(name, label, torch_device)
        properties = torch.cuda.get_device_properties(name.index)
        address, uuid = _pci_address(properties), str(getattr(properties, "uuid", ""))
        self._sensors = AmdCard.find(address) if torch.version.hip else NvidiaGpu.find(uuid)
        if isinstance(self._sensors, AmdCard):
            address = address or self._sensors.pci_address
        elif self._sensors:
            address = address or self._sensors.pci_address()
        self.identity = address or uuid or None

    def memory(self) -> DeviceMemory:
        memory = super().memory()
        if memory.used is None and isinstance(self._sensors, AmdCard):
            return replace(self._sensors.memory(), allocated=memory.allocated)
        return memory

    def activity(self) -> DeviceActivity:
        return self._sensors.activity() if self._sensors else DeviceActivity()


def _pci_address(properties: Any) -> str | None:
    """`0000:01:00.0`; older builds of torch do not tell it."""
    parts = [getattr(properties, f"pci_{part}_id", None) for part in ("domain", "bus", "device")]
    if None in parts:
        return None
    domain, bus, device = parts
    return f"{domain:04x}:{bus:02x}:{device:02x}.0"


def device_labels() -> list[str]:
    """The GPUs that this build of torch and the driver can use."""
    if not torch.backends.cuda.is_built():
        raise DeviceUnavailable(f"torch {torch.__version__} is built without CUDA and ROCm")
    if not torch.cuda.is_available():
        raise DeviceUnavailable("the driver reports no usable CUDA or ROCm device")
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def open_device(index: int, settings: Settings) -> CudaDevice:
    """Opens one GPU and tests it."""
    return CudaDevice.open(index, device_labels())
