"""A key-value cache that starts without `torch.cat` on an empty tensor, which DirectML refuses."""

from typing import Any

import torch
from transformers import cache_utils


def adopt_first_keys() -> None:
    """Makes transformers' growing cache take the first keys and values as they are; the output stays the same.

    transformers 5 starts each layer's cache as `cat([empty(0), keys])`. On DirectML that is reported to fail with
    "The parameter is incorrect".
    """
    original = cache_utils.DynamicLayer.update
    if getattr(original, "adopts_first_keys", False):
        return

    def update(
        self: Any, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if self.keys.numel() == 0:
            self.keys, self.values = key_states, value_states
            return key_states, value_states
        return original(self, key_states, value_states, *args, **kwargs)  # type: ignore[no-any-return]  # untyped

    update.adopts_first_keys = True  # type: ignore[attr-defined]  # the mark that it is done
    cache_utils.DynamicLayer.update = update
