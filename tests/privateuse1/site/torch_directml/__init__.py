"""The public API of torch_directml 0.2.5 over pretend adapters: put this package's parent folder on the path.

All adapters have the same name, as a row of equal cards has. `fake_adapters` is not in the real package: through it
tests read an adapter's bytes, set its limit and take it away.
"""

import importlib.util
import math
import os
from pathlib import Path
from types import ModuleType

import torch

BUILD = Path(__file__).resolve().parents[2] / "build.py"


def _load_adapters() -> ModuleType:
    # By path: a process that has only this folder on its path does not know the package of the tests.
    spec = importlib.util.spec_from_file_location("privateuse1_build", BUILD)
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    adapters: ModuleType = builder.load()
    return adapters


fake_adapters = _load_adapters()


def is_available() -> bool:
    return device_count() > 0


def device_count() -> int:
    count: int = fake_adapters.adapter_count()
    return count


def device_name(device_id: int) -> str:
    return "Fake Adapter" if 0 <= device_id < device_count() else ""


def default_device() -> int:
    return 0


def device(device_id: int | None = None) -> torch.device:
    # Without an index the real one does not look whether there is any adapter.
    if device_id is None:
        return torch.device("privateuseone", default_device())
    if not 0 <= device_id < device_count():
        raise Exception(
            f"Invalid device_id argument supplied {device_id}. device_id must be in range [0, {device_count()})."
        )
    return torch.device("privateuseone", device_id)


def disable_tiled_resources(is_disabled: bool) -> None:
    pass


def has_float64_support(device_id: int = 0) -> bool:
    return False


def gpu_memory(device_id: int = 0, mb_per_tile: float = 1) -> list[float]:
    """How full each tile of this process's heap is, from 0 to 1; the heap only grows, so its size is the peak.

    With FAKE_GPU_MEMORY_SAYS_0 all are empty, as some hosts report of the real one.
    """
    tile_bytes = mb_per_tile * 2**20
    used_tiles = fake_adapters.allocated_bytes(device_id) / tile_bytes
    heap_tiles = math.ceil(fake_adapters.peak_bytes(device_id) / tile_bytes)
    if os.environ.get("FAKE_GPU_MEMORY_SAYS_0"):
        return [0.0] * heap_tiles
    return [min(1.0, max(0.0, used_tiles - tile)) for tile in range(heap_tiles)]


class DeviceModule(ModuleType):
    """What torch finds as `torch.privateuseone`: as little as the real one has."""

    is_available = staticmethod(is_available)
    device_count = staticmethod(device_count)
    device_name = staticmethod(device_name)
    default_device = staticmethod(default_device)
    device = staticmethod(device)
    disable_tiled_resources = staticmethod(disable_tiled_resources)
    has_float64_support = staticmethod(has_float64_support)
    gpu_memory = staticmethod(gpu_memory)

    # torch.manual_seed asks for these two: the CPU's generator, which it seeds anyway, serves the adapters.
    @staticmethod
    def _is_in_bad_fork() -> bool:
        return False

    @staticmethod
    def manual_seed_all(seed: int) -> None:
        pass

    # torch.autocast asks for this one, also when it is disabled, as models do around their rotary embeddings.
    @staticmethod
    def get_amp_supported_dtype() -> list[torch.dtype]:
        return [torch.float16]


# Once a process, also when a test has this package imported anew.
if not hasattr(torch, "privateuseone"):
    torch._register_device_module("privateuseone", DeviceModule("torch.privateuseone"))
