"""A device that is gone is recognised by what its driver says, and nothing else is taken for one."""

from types import ModuleType

import pytest
import torch

from actors.devices.device_lost import is_device_lost


def test_a_lost_adapter_of_directml_is_recognised(adapters: ModuleType) -> None:
    adapters.lose_device(0)

    with pytest.raises(RuntimeError) as lost:
        torch.empty(1, device="privateuseone:0")

    assert is_device_lost(lost.value)


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: device-side assert triggered",
        "CUDA error: an illegal memory access was encountered",
        "HIP error: an illegal memory access was encountered",
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx(...)`",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "Native API failed. Native API returns: 20 (UR_RESULT_ERROR_DEVICE_LOST)",
        "level_zero backend failed with error: 20 (UR_RESULT_ERROR_DEVICE_LOST)",
        "Verwenden Sie GetDeviceRemovedReason, um die geeignete Aktion zu ermitteln.",
        "Unknown error -2005270523",
        "HRESULT 0x887a0006",
    ],
)
def test_what_drivers_are_known_to_say_is_recognised(text: str) -> None:
    assert is_device_lost(RuntimeError(text))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("There is not enough GPU video memory available!"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
        ValueError("unspecified launch failure"),
    ],
)
def test_other_errors_are_not_taken_for_a_lost_device(error: Exception) -> None:
    assert not is_device_lost(error)
