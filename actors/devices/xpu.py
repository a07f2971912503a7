"""Intel GPUs through torch's XPU builds."""

import torch

from actors.devices.backend import DeviceName
from actors.devices.driver_device import DriverDevice
from actors.errors import DeviceUnavailable
from settings.config import Settings


class XpuDevice(DriverDevice):
    """One GPU of the Level Zero driver's list."""

    driver = torch.xpu
    backend = "xpu"
    source = "torch (XPU)"

    def __init__(self, name: DeviceName, label: str, torch_device: torch.device) -> None:
        super().__init__(name, label, torch_device)
        # torch does not tell an Intel card's PCI address.
        uuid = getattr(torch.xpu.get_device_properties(name.index), "uuid", None)
        self.identity = str(uuid) if uuid else None


def device_labels() -> list[str]:
    """The GPUs that this build of torch and the driver can use."""
    if not torch.xpu.is_available():
        raise DeviceUnavailable(f"torch {torch.__version__} finds no Intel XPU")
    return [torch.xpu.get_device_name(index) for index in range(torch.xpu.device_count())]


def open_device(index: int, settings: Settings) -> XpuDevice:
    """Opens one GPU and tests it."""
    return XpuDevice.open(index, device_labels())
