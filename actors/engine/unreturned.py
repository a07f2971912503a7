"""Memory that unloaded models did not give back to the device, for which the process ends when it is idle."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from actors.devices.backend import Device, DeviceMemory
from actors.engine.work import ModelKey

logger = logging.getLogger(__name__)

#: An unload that gives back all but this share of what the model was measured to take has given it back.
TOLERATED_SHARE = 0.1

#: The process ends for this share of what models may take on the device; where that is not known, for any.
RESTART_SHARE = 0.05


class Unreturned:
    """Changed by the device thread only; others may read `bytes`."""

    def __init__(self) -> None:
        self.bytes: int | None = None
        """The sum of what is missing; None as long as nobody can tell."""
        self.when_due: Callable[[str], None] = lambda reason: None
        """Called once, on the device thread when it is idle, with the reason."""
        self._is_told = False

    @contextmanager
    def measured(self, device: Device, key: ModelKey, footprint: int) -> Iterator[None]:
        """Measures what unloading a model, inside the context, gives back."""
        memory = device.memory()
        tell = _figure(memory)
        before = tell(memory)
        yield
        after = tell(device.memory())
        if (missing := missing_bytes(footprint, before, after)) is None:
            return
        # What stayed of one model may hold the next, and be missing again: no more is than the process still holds.
        self.bytes = min((self.bytes or 0) + missing, after or 0)
        if missing:
            logger.warning("Unloading %s left %d of its %d bytes on %s.", key, missing, footprint, device.name)

    def settle(self, budget_bytes: int | None) -> None:
        """Asks for the end of the process when so much is missing that it is worth it; the device thread is idle."""
        if self._is_told or not self.bytes or self.bytes < RESTART_SHARE * (budget_bytes or 0):
            return
        self._is_told = True
        self.when_due(f"unloaded models left {self.bytes:,} bytes of the device's memory taken")


def _figure(memory: DeviceMemory) -> Callable[[DeviceMemory], int | None]:
    """Which figure tells what this process takes: its tensors', else the system's, which counts what is kept for later.

    torch-directml may say 0 throughout.
    """
    return (lambda told: told.allocated) if memory.allocated else (lambda told: told.used_by_process)


def missing_bytes(footprint: int, before: int | None, after: int | None) -> int | None:
    """What an unload should have given back and did not; None when the device's figures cannot tell.

    One that says that less was taken than by this model alone does not know.
    """
    if before is None or after is None or before < footprint:
        return None
    missing = footprint - (before - after)
    return missing if missing > TOLERATED_SHARE * footprint else 0
