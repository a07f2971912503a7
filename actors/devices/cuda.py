"""NVIDIA GPUs through CUDA, and AMD GPUs through ROCm builds of torch, which answer to the same names."""

import torch

from actors.devices.backend import DeviceMemory, DeviceName
from actors.devices.torch_device import TorchDevice
from actors.errors import DeviceUnavailable
from settings.config import Settings


class CudaDevice(TorchDevice):
    """One GPU of the driver's list."""

    def memory(self) -> DeviceMemory:
        free, total = torch.cuda.mem_get_info(self.name.index)
        return DeviceMemory(
            total=total,
            used=total - free,
            allocated=torch.cuda.memory_allocated(self.name.index),
            source="torch (ROCm)" if torch.version.hip else "torch (CUDA)",
        )

    def release(self) -> None:
        torch.cuda.empty_cache()


def device_labels() -> list[str]:
    """The GPUs that this build of torch and the driver can use."""
    if not torch.backends.cuda.is_built():
        raise DeviceUnavailable(f"torch {torch.__version__} is built without CUDA and ROCm")
    if not torch.cuda.is_available():
        raise DeviceUnavailable("the driver reports no usable CUDA or ROCm device")
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def open_device(index: int, settings: Settings) -> CudaDevice:
    """Opens one GPU and tests it."""
    labels = device_labels()
    if index >= len(labels):
        raise DeviceUnavailable(f"cuda:{index} does not exist; this host has {len(labels)} CUDA device(s)")
    torch.cuda.set_device(index)
    device = CudaDevice(DeviceName("cuda", index), labels[index], torch.device("cuda", index))
    device.self_test()
    return device
