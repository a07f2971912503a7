"""GPUs whose driver torch has a module for, `torch.cuda` or `torch.xpu`: what the two answer alike."""

from typing import Any, ClassVar, Self

import torch

from actors.devices.backend import DeviceMemory, DeviceName
from actors.devices.torch_device import TorchDevice
from actors.errors import DeviceUnavailable


class DriverDevice(TorchDevice):
    """One GPU of a driver's list."""

    driver: ClassVar[Any]
    """torch's module for it."""
    backend: ClassVar[str]
    source: ClassVar[str]
    """Who tells of its memory."""

    @classmethod
    def open(cls, index: int, labels: list[str]) -> Self:
        """Opens one of the GPUs that were listed, and tests it."""
        if index >= len(labels):
            raise DeviceUnavailable(
                f"{cls.backend}:{index} does not exist; this host has {len(labels)} {cls.backend.upper()} device(s)"
            )
        cls.driver.set_device(index)
        device = cls(DeviceName(cls.backend, index), labels[index], torch.device(cls.backend, index))
        device.self_test()
        return device

    def memory(self) -> DeviceMemory:
        index = self.name.index
        allocated = self.driver.memory_allocated(index)
        try:
            free, total = self.driver.mem_get_info(index)
        except (RuntimeError, AttributeError):  # older drivers, and older builds of torch, do not tell what is free
            total = self.driver.get_device_properties(index).total_memory
            return DeviceMemory(total=total, allocated=allocated, source=self.source)
        return DeviceMemory(total=total, used=total - free, allocated=allocated, source=self.source)

    def release(self) -> None:
        self.driver.empty_cache()
