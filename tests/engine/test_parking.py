"""A model that left the device comes back as it was, by a copy alone, and holds no more of the host than it may."""

import weakref
from typing import Any

import pytest
import torch

from actors.devices.backend import DeviceName
from actors.engine import parking
from actors.engine.loader import LoadedModel
from actors.engine.parking import Parking, host_budget_bytes
from actors.engine.work import ModelKey
from actors.errors import DeviceLost, DeviceUnavailable
from settings.config import Settings
from tests.engine.jobs import model_key, stored_model

#: A model has as many bytes: eight numbers in float32 and their sum.
MODEL_BYTES = 36

PLENTY = 10**9


class Module(torch.nn.Module):
    """Two names for one weight, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.arange(8.0))
        self.head = self.table
        self.register_buffer("total", torch.tensor(28.0))


class Device:
    """Memory beside the CPU's: whatever comes here is a copy. It may have no room."""

    name = DeviceName("directml", 0)
    torch_device = torch.device("privateuseone")

    def __init__(self) -> None:
        self.copies = 0
        self.has_room = True

    def self_test(self) -> None:
        raise DeviceUnavailable("it does not answer")

    def place_module(self, module: Module) -> Module:
        module.table.data = module.table.data.clone()
        if not self.has_room:
            raise RuntimeError("There is not enough GPU video memory available!")
        module.total = module.total.clone()
        self.copies += 1
        return module


@pytest.fixture(autouse=True)
def collections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A real collection takes long with torch on the heap; here is only noted that there was one."""
    noted: list[str] = []
    monkeypatch.setattr(parking, "collect_all", lambda: noted.append("all"))
    return noted


@pytest.fixture
def device() -> Device:
    return Device()


def parked_in(device: Device, budget_bytes: int = PLENTY, spare_bytes: int = PLENTY) -> Parking:
    return Parking(device, budget_bytes, lambda: spare_bytes)  # type: ignore[arg-type]  # a fake


def on_the_device(name: str = "a") -> LoadedModel:
    fake: Any = None
    return LoadedModel(model_key(name), stored_model(name), fake, Module(), fake, "float32", MODEL_BYTES)


def test_a_model_comes_back_with_its_weights_by_one_copy(device: Device) -> None:
    models, model = parked_in(device), on_the_device()

    assert models.park(model)
    assert models.bring_back(model.key) is model

    assert device.copies == 1
    assert model.module.table.tolist() == list(range(8))
    assert model.module.total.item() == 28


def test_weights_that_are_one_stay_one(device: Device) -> None:
    models, model = parked_in(device, budget_bytes=MODEL_BYTES), on_the_device()

    assert models.park(model)

    assert model.module.head is model.module.table


def test_nothing_of_a_parked_model_is_left_on_the_device(device: Device) -> None:
    models, model = parked_in(device), on_the_device()
    for _ in range(2):
        there = [weakref.ref(tensor) for tensor in (model.module.table, model.module.total)]

        models.park(model)

        assert [tensor() for tensor in there] == [None, None]
        models.bring_back(model.key)


def test_leaving_once_more_copies_nothing(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    models, model = parked_in(device), on_the_device()
    models.park(model)
    models.bring_back(model.key)
    monkeypatch.setattr(parking, "HostWeights", None)

    assert models.park(model)

    assert model.module.table.tolist() == list(range(8))


def test_what_a_device_does_to_a_model_does_not_reach_its_copy(device: Device) -> None:
    models, model = parked_in(device), on_the_device()
    models.park(model)
    models.bring_back(model.key)
    model.module.table.data.zero_()

    models.park(model)

    assert model.module.table.tolist() == list(range(8))


def test_a_model_that_was_never_here_is_not_brought_back(device: Device) -> None:
    assert parked_in(device).bring_back(ModelKey("b", "main", "AutoModel")) is None


def test_a_device_without_room_leaves_the_model_where_it_is(device: Device) -> None:
    models, model = parked_in(device), on_the_device()
    models.park(model)
    device.has_room = False
    with pytest.raises(RuntimeError, match="not enough GPU video memory"):
        models.bring_back(model.key)

    device.has_room = True

    assert models.bring_back(model.key) is model
    assert model.module.total.item() == 28


def test_the_longest_unused_model_is_given_up_for_another(device: Device, collections: list[str]) -> None:
    models = parked_in(device, budget_bytes=2 * MODEL_BYTES)
    for name in ("a", "b", "c"):
        assert models.park(on_the_device(name))

    assert [key.name for key in models.models] == ["b", "c"]
    assert models.bring_back(model_key("a")) is None
    assert collections == ["all"]


def test_giving_up_the_copy_of_a_model_on_the_device_leaves_it_there(device: Device, collections: list[str]) -> None:
    models, model = parked_in(device, budget_bytes=MODEL_BYTES), on_the_device()
    models.park(model)
    models.bring_back(model.key)

    models.park(on_the_device("b"))

    assert model.module.table.tolist() == list(range(8))
    assert collections == []
    assert models.park(model)


def test_all_copies_are_given_up_for_a_host_that_is_short_of_memory(device: Device, collections: list[str]) -> None:
    models = parked_in(device)
    for name in ("a", "b"):
        models.park(on_the_device(name))

    assert models.give_up_all()

    assert models.models == ()
    assert models.bring_back(model_key("a")) is None
    assert collections == ["all"]
    assert not models.give_up_all()


@pytest.mark.parametrize(("budget", "spare"), [(0, PLENTY), (MODEL_BYTES - 1, PLENTY), (PLENTY, MODEL_BYTES - 1)])
def test_a_model_is_not_kept_where_there_is_no_memory_for_it(device: Device, budget: int, spare: int) -> None:
    models = parked_in(device, budget, spare)

    assert not models.park(on_the_device())
    assert models.models == ()


def test_a_device_that_is_lost_while_a_model_leaves_it_is_told(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(module: Module) -> None:
        raise RuntimeError("Das Gerät wurde angehalten.")

    monkeypatch.setattr(parking, "HostWeights", lose)

    with pytest.raises(DeviceLost, match="Das Gerät wurde angehalten"):
        parked_in(device).park(on_the_device())


def test_a_host_that_is_too_full_for_a_copy_gives_the_model_up(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(module: Module) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 36 bytes.")

    monkeypatch.setattr(parking, "HostWeights", fill)

    assert not parked_in(device).park(on_the_device())


def test_a_pinned_model_that_was_unloaded_comes_back_unpinned(device: Device) -> None:
    models, model = parked_in(device), on_the_device()
    model.is_pinned = True

    models.park(model)

    assert not model.is_pinned


def test_the_budget_is_what_is_set_or_a_share_of_much_memory(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "host_memory_bytes", lambda: 64 * 10**9)
    assert host_budget_bytes(Settings(_env_file=None), device) == 4 * 10**9
    assert host_budget_bytes(Settings(_env_file=None, host_cache_gb=0.5), device) == 5 * 10**8
    assert host_budget_bytes(Settings(_env_file=None, host_cache_gb=0), device) == 0

    monkeypatch.setattr(parking, "host_memory_bytes", lambda: 15 * 10**9)
    assert host_budget_bytes(Settings(_env_file=None), device) == 0
    device.torch_device = torch.device("cpu")
    assert host_budget_bytes(Settings(_env_file=None, host_cache_gb=9), device) == 0
