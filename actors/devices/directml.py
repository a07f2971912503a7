"""AMD, Intel and NVIDIA GPUs on Windows and WSL through torch-directml.

torch-directml aborts the process on what other backends raise an exception for, and copies wrong data in silence; each
guard below stands for one such case. It has no bfloat16, float64 and complex numbers, fails under
`torch.inference_mode`, and gives memory back to the system only when the process ends.
"""

import importlib
import importlib.metadata
import importlib.util
import logging
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from actors.devices.backend import DeviceActivity, DeviceMemory, DeviceName
from actors.devices.cpu_fallbacks import CpuFallbacks
from actors.devices.first_keys import adopt_first_keys
from actors.devices.probe import failure_of_child
from actors.devices.torch_device import TorchDevice
from actors.devices.windows_adapter import WindowsAdapter
from actors.errors import DeviceUnavailable, ModelRefused
from settings.config import Settings

logger = logging.getLogger(__name__)

#: What DirectML holds without aborting the process.
ACCEPTED_DTYPES = frozenset(
    {torch.float32, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool}
)

#: What WSL shows of the host's GPU; without them the wheel's native code crashes.
WSL_FILES = (Path("/dev/dxg"), Path("/usr/lib/wsl/lib/libd3d12.so"))

MEBIBYTE = 2**20

#: Who tells of the memory when Windows does not.
THIS_PROCESS = "torch-directml (this process)"


class DirectMLDevice(TorchDevice):
    """One DirectX 12 adapter, in torch-directml's own order. The thread that opens it is the device thread."""

    dtypes = frozenset({"float32", "float16"})
    keeps_checkpoint_dtype = False
    attention = "eager"  # there is no fused attention kernel, and some models crash in torch's choice among the others
    batch_tokens = 8_192
    inference = torch.no_grad

    def __init__(
        self, name: DeviceName, label: str, torch_device: torch.device, adapter: WindowsAdapter | None = None
    ) -> None:
        super().__init__(name, label, torch_device)
        self._adapter, self._fallbacks = adapter, CpuFallbacks()
        # torch-directml bears one thread, and its memory is asked for by others too: they get what this one read last.
        self._thread = threading.get_ident()
        self._allocated: int | None = None
        self.identity = adapter.adapter.identity if adapter else None

    def place_module(self, module: torch.nn.Module) -> torch.nn.Module:
        for kind, tensors in (("parameter", module.named_parameters()), ("buffer", module.named_buffers())):
            for name, tensor in tensors:
                if tensor.is_meta:
                    raise ModelRefused(f"{kind} {name} has no values; DirectML would fill it with zeros")
                if tensor.dtype not in ACCEPTED_DTYPES:
                    raise ModelRefused(f"{kind} {name} is {tensor.dtype}, which DirectML cannot hold")
        placed = module.to(self.torch_device)
        # Between a CPU and this device `.to` makes new parameters, and those that were one become two.
        if callable(tie_weights := getattr(placed, "tie_weights", None)):
            tie_weights()
        return placed

    def place_tensors(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: _accepted(name, tensor).to(self.torch_device) for name, tensor in tensors.items()}

    def memory(self) -> DeviceMemory:
        if threading.get_ident() == self._thread:
            self._allocated = self._read_allocated()
        if self._adapter is None:
            return DeviceMemory(allocated=self._allocated, source=THIS_PROCESS)
        memory = self._adapter.memory()
        source = memory.source if memory.used is not None else f"{memory.source}, {THIS_PROCESS}"
        return replace(memory, allocated=self._allocated, source=source)

    def after_batch(self) -> None:
        self._allocated = self._read_allocated()

    def _read_allocated(self) -> int | None:
        """What this process's tensors take, or 0 where torch-directml does not know. On the device thread only."""
        # A list with the used share of each MiB of this process's heap; it tells nothing of the adapter as a whole.
        try:
            return int(sum(_torch_directml().gpu_memory(self.name.index, mb_per_tile=1)) * MEBIBYTE)
        except RuntimeError as error:  # a lost adapter, which the next computation tells in its own words
            logger.debug("%s tells no memory: %s", self.name, error)
            return None

    def activity(self) -> DeviceActivity:
        return self._adapter.activity() if self._adapter else DeviceActivity()

    def cpu_fallbacks(self) -> Mapping[str, int]:
        return self._fallbacks.calls

    def count_cpu_fallbacks(self) -> None:
        """Begins to count, for the rest of the process."""
        self._fallbacks.listen()


def _accepted(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if tensor.dtype == torch.float64:
        return tensor.to(torch.float32)
    if tensor.dtype not in ACCEPTED_DTYPES:
        raise ModelRefused(f"input {name} is {tensor.dtype}, which DirectML cannot hold")
    return tensor


def _torch_directml() -> Any:
    """Imports the package once it is safe to do so."""
    if importlib.util.find_spec("torch_directml") is None:
        raise DeviceUnavailable("torch-directml is not installed: pip install 'cluster-manager[directml]'")
    is_the_real_one = importlib.util.find_spec("torch_directml_native") is not None
    if is_the_real_one and sys.platform == "linux" and not all(path.exists() for path in WSL_FILES):
        raise DeviceUnavailable("DirectML on Linux needs WSL with a GPU: " + " and ".join(map(str, WSL_FILES)))
    _check_versions()
    try:
        return importlib.import_module("torch_directml")
    except (ImportError, OSError, RuntimeError) as error:
        raise DeviceUnavailable(f"torch-directml cannot be loaded: {error}") from None


def _check_versions() -> None:
    """The wheel is built for exactly one torch and crashes on another."""
    try:
        required = importlib.metadata.requires("torch-directml") or []
    except importlib.metadata.PackageNotFoundError:
        return
    wanted = next((line.partition("==")[2] for line in required if line.startswith("torch==")), None)
    if wanted and torch.__version__.partition("+")[0] != wanted:
        raise DeviceUnavailable(
            f"torch-directml needs torch {wanted}, and {torch.__version__} is installed: "
            "pip install -c constraints/directml.txt 'cluster-manager[directml]'"
        )


def device_labels() -> list[str]:
    """The adapters that DirectML lists. Called in a child process: on some hosts it crashes."""
    directml = _torch_directml()
    try:
        count = directml.device_count()
    except RuntimeError as error:
        raise DeviceUnavailable(f"DirectML cannot list the adapters: {error}") from None
    if count == 0:
        raise DeviceUnavailable("DirectML finds no adapter")
    # Asking for a name creates the adapter's device, so only a worker asks, and only for its own.
    return [f"adapter {index}" for index in range(count)]


def open_device(index: int, settings: Settings) -> DirectMLDevice:
    """Opens one adapter and tests it, in a child process first: what crashes there is not opened here."""
    if settings.model_dtype == "bfloat16":
        raise DeviceUnavailable("MODEL_DTYPE=bfloat16: DirectML has no bfloat16; set float32, float16 or auto")
    if reason := failure_of_child("actors.devices.directml", str(index)):
        raise DeviceUnavailable(f"directml:{index} cannot be used: {reason}")
    return _open_here(index)


def _open_here(index: int) -> DirectMLDevice:
    count, directml = len(device_labels()), _torch_directml()
    if not 0 <= index < count:
        raise DeviceUnavailable(f"directml:{index} does not exist; this host has {count} DirectML adapter(s)")
    adopt_first_keys()
    label = directml.device_name(index).rstrip("\0 ")
    adapter = WindowsAdapter.find(index, label, count)
    device = DirectMLDevice(DeviceName("directml", index), label, directml.device(index), adapter)
    device.count_cpu_fallbacks()
    device.self_test()
    return device


if __name__ == "__main__":
    try:
        _open_here(int(sys.argv[1]))
    except DeviceUnavailable as unavailable:
        sys.exit(str(unavailable))
