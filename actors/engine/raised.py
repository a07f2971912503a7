"""What torch raised: told in one line, without the tensors that it holds on to, and as a lost device where it is."""

import traceback

from actors.devices.backend import DeviceName
from actors.devices.device_lost import is_device_lost
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
