"""Recognising that a device was removed, reset or hung, after which no process that holds it can go on."""

#: CUDA and ROCm say them after "CUDA error: " or "HIP error: "; the context is then unusable, whatever is tried next.
_CUDA_TEXTS = (
    "unspecified launch failure",
    "device-side assert",
    "an illegal memory access",
    "an illegal instruction",
    "misaligned address",
    "the launch timed out",
    "uncorrectable ECC error",
    "hardware stack error",
    "CUBLAS_STATUS_EXECUTION_FAILED",
    "CUBLAS_STATUS_INTERNAL_ERROR",
    "CUDNN_STATUS_EXECUTION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR",
)

#: Level Zero's and the unified runtime's name for it.
_XPU_TEXTS = ("DEVICE_LOST",)

#: DXGI_ERROR_DEVICE_REMOVED, _HUNG, _RESET and DRIVER_INTERNAL_ERROR. Windows translates the text around the function's
#: name, and builds for Linux print the number alone.
_DIRECTML_TEXTS = (
    "GetDeviceRemovedReason",
    *("887A0005", "887A0006", "887A0007", "887A0020"),
    *("-2005270523", "-2005270522", "-2005270521", "-2005270496"),
)


def is_device_lost(error: BaseException) -> bool:
    """Whether a driver says that its device is gone."""
    texts = (*_CUDA_TEXTS, *_XPU_TEXTS, *_DIRECTML_TEXTS)
    return isinstance(error, RuntimeError) and any(text.lower() in str(error).lower() for text in texts)
