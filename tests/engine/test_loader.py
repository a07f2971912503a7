"""A loaded model tells what it takes of its device, which may be more than its weights."""

import math
from pathlib import Path

import torch

from actors.demo.models import CLASSIFIER
from actors.devices.backend import DeviceMemory, DeviceName
from actors.devices.torch_device import TorchDevice
from actors.engine.host_weights import tensor_bytes
from actors.engine.loader import LoadedModel, load_model
from actors.engine.work import ModelKey
from actors.model_store.progress import Progress
from actors.model_store.reference import ModelReference
from actors.model_store.shared_folder import SharedFolder


class Card(TorchDevice):
    """A device on which a module takes more than its tensors have bytes; `tells` is whether it says so."""

    def __init__(self, extra_bytes: int, tells: bool = True) -> None:
        super().__init__(DeviceName("cuda", 0), "a card", torch.device("cpu"))
        self._extra_bytes, self._tells = extra_bytes, tells
        self._allocated = 1_000

    def place_module(self, module: torch.nn.Module) -> torch.nn.Module:
        self._allocated += tensor_bytes(module) + self._extra_bytes
        return module

    def memory(self) -> DeviceMemory:
        return DeviceMemory(allocated=self._allocated if self._tells else None)


def load(model_folder: Path, card: Card) -> LoadedModel:
    stored = SharedFolder(model_folder).find(ModelReference(CLASSIFIER))
    key = ModelKey(CLASSIFIER, stored.revision, "AutoModelForSequenceClassification")
    return load_model(key, stored, card, "float32", Progress(str(key), lambda size: math.inf))


def test_what_a_model_takes_is_measured_and_not_only_counted(model_folder: Path) -> None:
    model = load(model_folder, Card(extra_bytes=50_000))

    assert model.footprint == tensor_bytes(model.module) + 50_000


def test_a_device_that_cannot_tell_leaves_the_bytes_of_the_weights(model_folder: Path) -> None:
    model = load(model_folder, Card(extra_bytes=50_000, tells=False))

    assert model.footprint == tensor_bytes(model.module)
