"""The processor as a device: for trials, for tests, and for hosts without a GPU."""

import os
import platform

import psutil
import torch

from actors.devices.backend import DeviceMemory, DeviceName
from actors.devices.bfloat16 import is_bfloat16_faster
from actors.devices.memory_limit import memory_limit
from actors.devices.torch_device import TorchDevice
from settings.config import Settings


class CpuDevice(TorchDevice):
    """Memory is the RAM that this process may take; `used` is what it holds of it."""

    keeps_checkpoint_dtype = False
    # More than any batch gains from: which size is the fastest differs between processors, and is learned.
    batch_tokens = 2_048

    def memory(self) -> DeviceMemory:
        used, total, limit = psutil.Process().memory_info().rss, psutil.virtual_memory().total, memory_limit()
        if limit is not None and limit < total:
            return DeviceMemory(total=limit, used=used, source="cgroup (total), psutil (used)")
        return DeviceMemory(total=total, used=used, source="psutil")


def device_labels() -> list[str]:
    """One processor, however many cores it has."""
    return [f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"]


def open_device(index: int, settings: Settings) -> CpuDevice:
    """Opens the processor; `cpu:1` and on are further workers on the same one."""
    if settings.cpu_threads:
        torch.set_num_threads(settings.cpu_threads)
    device = CpuDevice(DeviceName("cpu", index), device_labels()[0], torch.device("cpu"))
    if settings.may_choose_dtype and is_bfloat16_faster():
        device.reading_dtype = "bfloat16"
    return device
