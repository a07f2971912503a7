"""This process's worker: the only mutable module state of the project."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.devices.backend import Device
    from actors.engine.engine import Engine
    from actors.serving.tasks_in_hand import TasksInHand


@dataclass(frozen=True)
class DeviceWorker:
    """What the inference actors of this process run on."""

    worker_id: str
    device: "Device"
    engine: "Engine"
    tasks: "TasksInHand"

    @property
    def device_class(self) -> str:
        """What identical devices have in common: backend, name and size."""
        return f"{self.device.name.backend} {self.device.label} {self.device.memory().total}"


_device_worker: DeviceWorker | None = None


def set_device_worker(worker: DeviceWorker | None) -> None:
    """Says, in a worker process with a device, what its actors run on."""
    global _device_worker  # this module exists to hold it
    _device_worker = worker


def device_worker() -> DeviceWorker | None:
    """What this process's actors run on; None in gateways and in processes without a device."""
    return _device_worker
