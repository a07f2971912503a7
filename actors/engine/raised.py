"""What torch raised: told in one line, without the tensors that it holds on to, and as a lost device where it is."""

import traceback

from actors.devices.backend import Device, DeviceName
from actors.devices.device_lost import is_device_lost
from actors.devices.out_of_memory import is_out_of_memory
from actors.errors import DeviceLost


def described(error: BaseException) -> str:
    """The class and the first line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def drop_tensors(error: BaseException | None) -> None:
    """An error's frames hold what was being computed; the memory is needed for the next attempt."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def raise_if_lost(device: DeviceName, error: BaseException) -> None:
    """Raises DeviceLost for an error by which a driver says so."""
    if is_device_lost(error):
        raise DeviceLost(f"{device} was removed, reset or hung: {described(error)}") from error


def raise_if_unhealthy(device: Device, error: BaseException) -> None:
    """Raises DeviceLost also for an unexplained error after which the device fails its start-up test.

    A driver may say in any language that its device is gone. A full device is not.
    """
    raise_if_lost(device.name, error)
    if not isinstance(error, RuntimeError):
        return
    try:
        device.self_test()
    except Exception as failure:  # noqa: BLE001  # whatever a test fails with, it fails
        if not is_out_of_memory(failure.__cause__ or failure):
            raise DeviceLost(f"{device.name} is lost: after {described(error)} {failure}") from error
