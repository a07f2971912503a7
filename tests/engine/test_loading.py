"""A load that finds no room takes back what can be done without, from where it is missing."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.devices.backend import DeviceName
from actors.engine import loading
from actors.engine.ceilings import Ceilings
from actors.engine.footprints import Footprints
from actors.engine.loader import LoadedModel
from actors.engine.loading import Loading
from actors.engine.watchdog import Watchdog
from actors.engine.work import ModelKey
from actors.engine.work_clock import WorkClock
from actors.errors import DeviceOutOfMemory
from settings.config import Settings
from tests.engine.jobs import job, model_key, stored_model

FULL_HOST = RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory")
SMALL_PAGING_FILE = OSError("The paging file is too small for this operation to complete. (os error 1455)")
FULL_DEVICE = RuntimeError("There is not enough GPU video memory available!")


class Memory:
    """A device, the cache of what is on it, and the parking: as many models in each as a test says."""

    name = DeviceName("directml", 0)
    reading_dtype, keeps_checkpoint_dtype, attention = None, False, None
    models: tuple[ModelKey, ...] = ()

    def __init__(self, on_the_device: int, parked: int) -> None:
        self.on_the_device, self.parked = on_the_device, parked

    def release(self) -> None:
        """Nothing is left in an allocator."""

    def bring_back(self, key: ModelKey) -> None:
        """It is not here."""

    def give_up_all(self) -> bool:
        had_any, self.parked = self.parked > 0, 0
        return had_any

    def evict_idle(self) -> bool:
        if not self.on_the_device:
            return False
        self.on_the_device -= 1
        return True


def _load(memory: Any, monkeypatch: pytest.MonkeyPatch, fails: Callable[[], Exception | None]) -> LoadedModel:
    """Loads a model, which raises what `fails` tells until it tells nothing."""
    watchdog, nothing = Watchdog(), None
    loader = Loading(memory, memory, memory, Settings(_env_file=None), Footprints(), Ceilings(), watchdog, WorkClock())

    def read(*_: object) -> LoadedModel:
        if error := fails():
            raise error
        module: Any = Readable()
        return LoadedModel(model_key("a"), stored_model("a"), memory, module, nothing, "float32", 1)

    monkeypatch.setattr(loading, "load_model", read)
    return loader.load(job("a"))


class Readable:
    """A module, as far as the loading touches it."""

    def register_forward_hook(self, hook: object) -> None:
        """Is never computed with."""


@pytest.mark.parametrize("error", [FULL_HOST, SMALL_PAGING_FILE], ids=["allocator", "paging file"])
def test_a_full_host_gives_up_parked_models_before_any_on_the_device(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory(on_the_device=2, parked=3)

    assert _load(memory, monkeypatch, lambda: error if memory.parked else None)

    assert (memory.on_the_device, memory.parked) == (2, 0)


def test_a_full_device_leaves_parked_models_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory(on_the_device=2, parked=3)

    assert _load(memory, monkeypatch, lambda: FULL_DEVICE if memory.on_the_device else None)

    assert (memory.on_the_device, memory.parked) == (0, 3)


@pytest.mark.parametrize(
    ("error", "whose"),
    [(FULL_HOST, "this host's"), (SMALL_PAGING_FILE, "this host's"), (FULL_DEVICE, "directml:0's")],
    ids=["allocator", "paging file", "device"],
)
def test_whose_memory_a_model_does_not_fit_in_is_told(
    error: Exception, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeviceOutOfMemory, match=f"a@main does not fit in {whose} memory: "):
        _load(Memory(on_the_device=1, parked=1), monkeypatch, lambda: error)
