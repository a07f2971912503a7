"""Pretend DirectML adapters inside the test's own process."""

import gc
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch


@pytest.fixture
def adapters(directml_site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Two empty adapters, here and in child processes; whatever the test before did to them."""
    from transformers import cache_utils

    # Opening a device changes these classes for the rest of the process, and how often torch warns.
    for layer in (cache_utils.DynamicLayer, cache_utils.DynamicSlidingWindowLayer):
        monkeypatch.setattr(layer, "update", layer.update)
    monkeypatch.setenv("PYTHONPATH", str(directml_site))
    monkeypatch.syspath_prepend(directml_site)
    torch_directml = importlib.import_module("torch_directml")
    # An error that a test expected still holds its tensors, and pytest holds the values of fixtures beyond their end.
    gc.collect()
    for index in range(torch_directml.device_count()):
        torch_directml.fake_adapters.restore(index)
    warns_always = torch.is_warn_always_enabled()
    yield torch_directml.fake_adapters
    torch.set_warn_always(warns_always)
    del sys.modules["torch_directml"]
