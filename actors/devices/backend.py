"""What the engine asks of a device, and how a backend is reached by its name."""

import importlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, cast

from settings.config import Settings

if TYPE_CHECKING:
    import torch

#: Backend name → module, in the order that `auto` tries them.
BACKENDS = {
    "cuda": "actors.devices.cuda",
    "xpu": "actors.devices.xpu",
    "directml": "actors.devices.directml",
    "cpu": "actors.devices.cpu",
}


@dataclass(frozen=True, order=True)
class DeviceName:
    """A device of this host: `cuda:0`."""

    backend: str
    index: int

    def __str__(self) -> str:
        return f"{self.backend}:{self.index}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `cuda:0`; `cuda` is its first device."""
        backend, _, index = text.partition(":")
        return cls(backend, int(index or 0))


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes of a device's memory, each None when nobody can tell.

    `used` is what everything on this host uses of it, `allocated` what this process's tensors take, `used_by_process`
    what the system says that this process holds, also for tensors to come. `shared_total` is RAM of the host that a
    driver lends to the device; models are never budgeted on it.
    """

    total: int | None = None
    used: int | None = None
    allocated: int | None = None
    used_by_process: int | None = None
    shared_total: int | None = None
    shared_used: int | None = None
    source: str | None = None


@dataclass(frozen=True)
class DeviceActivity:
    """How hard a device works, whoever makes it work; each None when nobody can tell."""

    busy_percent: float | None = None
    temperature_celsius: float | None = None
    source: str | None = None


class Device(Protocol):
    """One claimed device. Every method is called on the device thread only, but for those that say so."""

    name: DeviceName
    label: str
    identity: str | None
    """What tells it from an identical one: its PCI address, or its LUID on Windows; None when nobody can tell."""
    torch_device: "torch.device"
    dtypes: frozenset[str]
    """The precisions that this device computes in."""
    keeps_checkpoint_dtype: bool
    """Whether MODEL_DTYPE=auto is the checkpoint's own precision here, or float32."""
    reading_dtype: str | None
    """What it is instead for models that read texts and write none; None when it is no exception."""
    attention: str | None
    """The attention implementation that works for every model here; None leaves it to transformers."""
    batch_tokens: int
    """Padded tokens that a batch may hold when BATCH_TOKENS is not set."""
    inference: Callable[[], AbstractContextManager[object]]
    """Enters the mode that models are run in."""

    def place_module(self, module: "torch.nn.Module") -> "torch.nn.Module":
        """Moves a model here, checking first what this device cannot hold."""

    def place_tensors(self, tensors: Mapping[str, "torch.Tensor"]) -> dict[str, "torch.Tensor"]:
        """Moves a batch here."""

    def memory(self) -> DeviceMemory:
        """Reads the device's memory; callable from any thread."""

    def after_batch(self) -> None:
        """Called after each batch, for figures that only the device thread may read."""

    def activity(self) -> DeviceActivity:
        """Reads how hard it works; callable from any thread."""

    def cpu_fallbacks(self) -> Mapping[str, int]:
        """How often each operator was computed on the CPU for want of a kernel here; callable from any thread."""

    def self_test(self) -> None:
        """Compares what it computes with the CPU.

        Raises:
          DeviceUnavailable: When it fails or differs.
        """

    def release(self) -> None:
        """Gives memory that freed tensors left in the allocator back to the device, where that is possible."""


class Backend(Protocol):
    """A module of this package, as `backend_module` returns it."""

    def device_labels(self) -> list[str]:
        """The names of the devices that this host has.

        Raises:
          DeviceUnavailable: With the reason why this backend cannot be used here.
        """

    def open_device(self, index: int, settings: Settings) -> Device:
        """Opens one device.

        Raises:
          DeviceUnavailable: When there is no such device or it does not compute what the CPU computes.
        """


def backend_module(backend: str) -> Backend:
    """Imports a backend, and with it torch."""
    return cast("Backend", importlib.import_module(BACKENDS[backend]))
