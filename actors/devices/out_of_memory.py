"""Recognising an out-of-memory error, which every backend tells in its own way."""

import errno

import torch

#: Of the CPU's allocator: "can't allocate memory" on Linux and macOS, "not enough memory" on Windows. Then of files
#: that cannot be mapped: Linux' 12 as torch tells it, and Windows' 1455, a paging file that is too small, as torch,
#: safetensors and Python tell it; all else that these two say for too little memory is a MemoryError.
_HOST_TEXTS = (
    "DefaultCPUAllocator",
    "Cannot allocate memory (12)",
    "error code: <1455>",
    "os error 1455",
    "WinError 1455",
)

#: torch has a class of its own for its allocators; this is what the drivers and their libraries say for themselves.
_CUDA_TEXTS = (
    "CUDA error: out of memory",
    "HIP error: out of memory",
    "BLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)

#: Level Zero's and the unified runtime's name for it.
_XPU_TEXTS = ("OUT_OF_DEVICE_MEMORY",)

#: torch-directml raises a plain RuntimeError with one of these texts.
_DIRECTML_TEXTS = ("not enough GPU video memory", "OOM when allocating", "-2147024882", "8007000E")

_TEXTS = (*_HOST_TEXTS, *_CUDA_TEXTS, *_XPU_TEXTS, *_DIRECTML_TEXTS)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or this host, had no room for a tensor."""
    return isinstance(error, torch.OutOfMemoryError) or is_host_out_of_memory(error) or _says(error, _TEXTS)


def is_host_out_of_memory(error: BaseException) -> bool:
    """Whether it was this host that had no room."""
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, MemoryError) or _says(error, _HOST_TEXTS)


def _says(error: BaseException, texts: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError | OSError) and any(text in str(error) for text in texts)
