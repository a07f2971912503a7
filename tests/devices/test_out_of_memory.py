"""A full device is recognised by what each backend really says, and nothing else is taken for one."""

import errno
from types import ModuleType

import pytest
import torch

from actors.devices.out_of_memory import is_host_out_of_memory, is_out_of_memory

#: More than any host has.
PEBIBYTE = 2**50


def test_a_full_adapter_of_directml_is_recognised(adapters: ModuleType) -> None:
    adapters.set_limit(0, 4096)

    with pytest.raises(RuntimeError) as full:
        torch.empty(8192, dtype=torch.uint8, device="privateuseone:0")

    assert is_out_of_memory(full.value)


def test_a_full_host_is_recognised() -> None:
    with pytest.raises(RuntimeError) as full:
        torch.empty(PEBIBYTE, dtype=torch.uint8)

    assert is_out_of_memory(full.value)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        MemoryError(),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("HIP error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: HIPBLAS_STATUS_ALLOC_FAILED when calling `hipblasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"),
        RuntimeError("OOM when allocating tensor"),
        RuntimeError("[enforce fail] error code -2147024882"),
        RuntimeError("HRESULT 8007000E"),
    ],
)
def test_what_backends_are_known_to_say_is_recognised(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory"),
        RuntimeError("unable to mmap 209715200 bytes from file <a.safetensors>: Cannot allocate memory (12)"),
        RuntimeError("Couldn't open file mapping: <a.safetensors>, error code: <1455>"),
        OSError("The paging file is too small for this operation to complete. (os error 1455)"),
        OSError("[WinError 1455] The paging file is too small for this operation to complete"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_a_full_host_is_told_from_a_full_device(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert is_host_out_of_memory(error)
    assert not is_host_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))


def test_a_lost_adapter_is_not_a_full_one(adapters: ModuleType) -> None:
    adapters.lose_device(0)

    with pytest.raises(RuntimeError) as lost:
        torch.empty(1, device="privateuseone:0")

    assert not is_out_of_memory(lost.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
        RuntimeError("CUDA error: device-side assert triggered"),
        ValueError("There is not enough GPU video memory available!"),
        OSError("Cannot allocate memory"),
        KeyboardInterrupt(),
    ],
)
def test_other_errors_are_not_taken_for_a_full_device(error: BaseException) -> None:
    assert not is_out_of_memory(error)
