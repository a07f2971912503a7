"""A key-value cache that starts without `torch.cat` on an empty tensor, which DirectML refuses."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from transformers import cache_utils


def adopt_first_keys() -> None:
    """Makes transformers' growing caches take the first keys and values as they are; the output stays the same.

    transformers 5 starts each layer's cache as `cat([empty(0), keys])`. On DirectML that is reported to fail with
    "The parameter is incorrect".
    """
    _patch(cache_utils.DynamicLayer, _adopt_all)
    _patch(cache_utils.DynamicSlidingWindowLayer, _adopt_window)  # which Mistral and Gemma have, among others


def _patch(layer: Any, adopt: Callable[[Any, torch.Tensor, torch.Tensor], None]) -> None:
    original = layer.update
    if getattr(original, "adopts_first_keys", False):
        return

    @wraps(original)
    def update(
        self: Any, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if self.keys.numel() == 0:
            adopt(self, key_states, value_states)
            return key_states, value_states
        return original(self, key_states, value_states, *args, **kwargs)  # type: ignore[no-any-return]  # untyped

    update.adopts_first_keys = True  # type: ignore[attr-defined]  # the mark that it is done
    layer.update = update


def _adopt_all(layer: Any, keys: torch.Tensor, values: torch.Tensor) -> None:
    layer.keys, layer.values = keys, values


def _adopt_window(layer: Any, keys: torch.Tensor, values: torch.Tensor) -> None:
    """The next token sees the last of them and itself; newer versions of transformers can be told to keep all."""
    layer.cumulative_length += keys.shape[-2]
    first = 0 if getattr(layer, "record_past", False) else 1 - layer.sliding_window
    layer.keys, layer.values = keys[:, :, first:, :], values[:, :, first:, :]
