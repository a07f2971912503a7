"""Recognising an out-of-memory error, which every backend tells in its own way."""

import torch

#: torch-directml raises a plain RuntimeError with one of these texts.
_DIRECTML_TEXTS = ("not enough GPU video memory", "OOM when allocating", "-2147024882", "8007000E")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device had no room for a tensor."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # On the CPU torch says "DefaultCPUAllocator: can't allocate memory".
    texts = (*_DIRECTML_TEXTS, "DefaultCPUAllocator")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
