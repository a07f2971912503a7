"""Models that had to leave the device wait in host memory, so that coming back costs only the copy."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from actors.devices.backend import Device
from actors.devices.host_memory import host_memory_bytes, spare_host_bytes
from actors.devices.out_of_memory import is_out_of_memory
from actors.engine.garbage import collect_all
from actors.engine.host_cache import HostCache
from actors.engine.host_weights import HostWeights, tensor_bytes
from actors.engine.loader import LoadedModel
from actors.engine.raised import described, raise_if_unhealthy
from actors.engine.work import ModelKey
from settings.config import Settings

logger = logging.getLogger(__name__)

#: The share of the RAM that each process takes for this when HOST_CACHE_GB is not set. There is a process for each
#: device, so eight of them take half of what there is.
DEFAULT_SHARE = 1 / 16

#: A host with less RAM than this has none to give.
SMALL_HOST_BYTES = 16 * 10**9


@dataclass
class _Parked:
    """A model whose weights are in host memory, whether they are on the device too or not."""

    model: LoadedModel
    weights: HostWeights
    is_on_device: bool = False


class Parking:
    """Belongs to the device thread; others may read `models`.

    The copy in host memory is made when a model first leaves, and kept when it comes back, so that leaving once more
    costs nothing.
    """

    def __init__(self, device: Device, budget_bytes: int, spare_bytes: Callable[[], int] = spare_host_bytes) -> None:
        self._device, self._spare_bytes = device, spare_bytes
        self._host: HostCache[ModelKey, _Parked] = HostCache(budget_bytes)
        self.models: tuple[ModelKey, ...] = ()
        """What is in host memory; replaced as a whole."""

    def park(self, model: LoadedModel) -> bool:
        """Takes a model off the device; False when there is no room for it, and it has to be given up.

        Raises:
          DeviceLost: When the device is the reason that it cannot be copied.
        """
        parked = self._host.find(model.key) or self._copied(model)
        if parked is None:
            return False
        parked.weights.put_back()
        parked.is_on_device = model.is_pinned = False
        return True

    def bring_back(self, key: ModelKey) -> LoadedModel | None:
        """Puts a model onto the device again; None when it is not here.

        Raises:
          RuntimeError: When the device has no room for it; it stays here.
        """
        if (parked := self._host.find(key)) is None:
            return None
        try:
            self._device.place_module(parked.model.module)
        except BaseException:
            parked.weights.put_back()  # some of them were there already
            raise
        parked.is_on_device, parked.model.uses, parked.model.loaded_at = True, 0, time.time()
        return parked.model

    def give_up_all(self) -> bool:
        """Frees the host's memory of all copies; False when there are none."""
        had_any = bool(self.models)
        self._make_room(self._host.budget_bytes)
        return had_any

    def _copied(self, model: LoadedModel) -> _Parked | None:
        if not self._host.budget_bytes or not self._host.fits(size := tensor_bytes(model.module)):
            return None
        self._make_room(size)
        if size > self._spare_bytes():
            logger.info("Memory of this host is short: %s is not kept there.", model.key)
            return None
        try:
            parked = _Parked(model, HostWeights(model.module))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise_if_unhealthy(self._device, error)
            logger.warning("%s cannot be copied to host memory: %s", model.key, described(error))
            return None
        self._host.keep(model.key, parked, size)
        self.models = self._host.keys
        return parked

    def _make_room(self, size: int) -> None:
        gone = self._host.make_room(size)
        self.models = self._host.keys
        if any(not parked.is_on_device for parked in gone):
            gone.clear()
            collect_all()  # modules refer to themselves in circles


def host_budget_bytes(settings: Settings, device: Device) -> int:
    """How much of the host's memory is for models that are not on the device; none where it is the device's own."""
    if device.torch_device.type == "cpu":
        return 0
    if settings.host_cache_gb is not None:
        return int(settings.host_cache_gb * 10**9)
    total = host_memory_bytes()
    return int(total * DEFAULT_SHARE) if total >= SMALL_HOST_BYTES else 0
