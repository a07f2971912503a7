"""Intel GPUs through torch's XPU builds."""

import torch

from actors.devices.backend import DeviceMemory, DeviceName
from actors.devices.torch_device import TorchDevice
from actors.errors import DeviceUnavailable
from settings.config import Settings


class XpuDevice(TorchDevice):
    """One GPU of the Level Zero driver's list."""

    def memory(self) -> DeviceMemory:
        free, total = torch.xpu.mem_get_info(self.name.index)
        allocated = torch.xpu.memory_allocated(self.name.index)
        return DeviceMemory(total=total, used=total - free, allocated=allocated, source="torch (XPU)")

    def release(self) -> None:
        torch.xpu.empty_cache()


def device_labels() -> list[str]:
    """The GPUs that this build of torch and the driver can use."""
    if not torch.xpu.is_available():
        raise DeviceUnavailable(f"torch {torch.__version__} finds no Intel XPU")
    return [torch.xpu.get_device_name(index) for index in range(torch.xpu.device_count())]


def open_device(index: int, settings: Settings) -> XpuDevice:
    """Opens one GPU and tests it."""
    labels = device_labels()
    if index >= len(labels):
        raise DeviceUnavailable(f"xpu:{index} does not exist; this host has {len(labels)} XPU device(s)")
    torch.xpu.set_device(index)
    device = XpuDevice(DeviceName("xpu", index), labels[index], torch.device("xpu", index))
    device.self_test()
    return device
