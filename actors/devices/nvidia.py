"""What NVIDIA's management library tells of a GPU beside its memory, through nvidia-ml-py."""

import importlib
import logging
from typing import Any, Self

from actors.devices.backend import DeviceActivity

logger = logging.getLogger(__name__)

SOURCE = "NVML"


class NvidiaGpu:
    """One GPU, found by its UUID: NVML counts in another order than CUDA, and knows nothing of CUDA_VISIBLE_DEVICES."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle

    @classmethod
    def find(cls, uuid: str) -> Self | None:
        """The GPU with the UUID that torch knows; None without the library, the driver, or such a GPU."""
        try:
            nvml = importlib.import_module("pynvml")
        except ImportError:
            return None
        try:
            nvml.nvmlInit()
            return cls(nvml, nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid.removeprefix('GPU-')}"))
        except nvml.NVMLError as error:
            logger.info("NVML does not tell how busy GPU %s is: %s", uuid, error)
            return None

    def pci_address(self) -> str | None:
        """`0000:01:00.0`, as Linux writes it."""
        bus_id = self._ask(lambda: self._nvml.nvmlDeviceGetPciInfo(self._handle).busId)
        if bus_id is None:
            return None
        text = bus_id.decode() if isinstance(bus_id, bytes) else bus_id
        domain, _, rest = text.lower().partition(":")
        return f"{int(domain, 16):04x}:{rest}"

    def activity(self) -> DeviceActivity:
        """Read at each beat."""
        nvml = self._nvml
        busy = self._ask(lambda: nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)
        celsius = self._ask(lambda: nvml.nvmlDeviceGetTemperature(self._handle, nvml.NVML_TEMPERATURE_GPU))
        return DeviceActivity(busy, celsius, SOURCE if (busy, celsius) != (None, None) else None)

    def _ask(self, question: Any) -> Any:
        """An answer, None when this GPU has none: a part of a divided GPU, or one that fell off the bus."""
        try:
            return question()
        except self._nvml.NVMLError:
            return None
