"""The models in a device's memory: the cheapest to lose goes first, never one in use or pinned."""

import logging
import math
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from actors.engine.eviction import choose_victim
from actors.engine.garbage import collect_all, set_aside
from actors.engine.loader import LoadedModel
from actors.engine.work import ModelKey
from actors.errors import DeviceOutOfMemory, ModelTooLarge

logger = logging.getLogger(__name__)

#: Entered around each unload, with the model's footprint.
Unloading = Callable[[ModelKey, int], AbstractContextManager[None]]

#: Others who read `models` let go of them within milliseconds; a thread that the system forgets may take longer.
LET_GO_SECONDS = 1.0


class ModelCache:
    """Loaded models within a budget of bytes. Changed by the device thread only; others may read `models`."""

    def __init__(
        self,
        budget_bytes: int | None,
        release: Callable[[], None],
        park: Callable[[LoadedModel], bool] = lambda model: False,
        unloading: Unloading = lambda key, footprint: nullcontext(),
    ) -> None:
        """`park` takes a model off the device and keeps it elsewhere, or says no; `unloading` is around it."""
        self.budget_bytes = budget_bytes
        self._release, self._park, self._unloading = release, park, unloading
        self._models: OrderedDict[ModelKey, LoadedModel] = OrderedDict()
        # Replaced as a whole: an OrderedDict that another thread copies while it changes crashes the process.
        self._published: tuple[LoadedModel, ...] = ()
        self._in_use: set[ModelKey] = set()

    def __contains__(self, key: ModelKey) -> bool:
        return key in self._models

    @property
    def models(self) -> tuple[LoadedModel, ...]:
        """What is loaded, least recently used first."""
        return self._published

    @property
    def used_bytes(self) -> int:
        """The footprints of all loaded models."""
        return sum(model.footprint for model in self.models)

    @contextmanager
    def use(self, key: ModelKey, expected_bytes: int, load: Callable[[], LoadedModel]) -> Iterator[LoadedModel]:
        """Holds a model in memory, loading it first where needed.

        Raises:
          ModelTooLarge: When it cannot fit even alone, with both numbers.
          DeviceOutOfMemory: When it does not fit beside what is pinned.
        """
        if key not in self._models:
            self._make_room(key, expected_bytes)
            self._models[key] = load()
            self._make_room_for_what_was_measured(key)
            set_aside()
        model = self._models[key]
        self._models.move_to_end(key)
        self._publish()
        model.uses, model.last_used_at = model.uses + 1, time.time()
        self._in_use.add(key)
        try:
            yield model
        finally:
            model.last_used_at = time.time()
            self._in_use.discard(key)

    def evict_idle(self) -> bool:
        """Frees the cheapest model to lose of those neither in use nor pinned; False when there is none."""
        idle = [model for key, model in self._models.items() if key not in self._in_use and not model.is_pinned]
        victim = choose_victim(idle, time.time())
        if victim is None:
            return False
        key = victim.key
        del idle, victim
        self.evict(key)
        return True

    def expire(self, needed: Collection[ModelKey]) -> None:
        """Frees what nobody has used for longer than its keep_alive; what waiting tasks need, stays."""
        now = time.time()
        for key in [key for key, model in self._models.items() if model.expires_at <= now and key not in needed]:
            self.evict(key)

    def seconds_to_expiry(self) -> float:
        """When `expire` has something to do; infinite when all models stay."""
        return max(0.0, min((model.expires_at for model in self._models.values()), default=math.inf) - time.time())

    def named(self, name: str) -> list[LoadedModel]:
        """What is loaded of a model, as `org/name` or `org/name@revision`."""
        return [model for key, model in self._models.items() if name in (key.name, str(key))]

    def clear(self) -> None:
        """Frees everything, and keeps nothing of it elsewhere."""
        self._park = lambda model: False
        for key in list(self._models):
            self.evict(key)

    def evict(self, key: ModelKey) -> None:
        """Frees one model, whatever is said of it."""
        model = self._models.pop(key)
        self._publish()
        logger.info("Unloading %s (%d bytes).", key, model.footprint)
        with self._unloading(key, model.footprint):
            if self._park(model):
                self._release()
                return
            holders = weakref.ref(model)
            del model
            _wait_until_gone(holders)
            self._collect()

    def _make_room(self, key: ModelKey, expected_bytes: int) -> None:
        if self.budget_bytes is None:
            return
        if expected_bytes > self.budget_bytes:
            raise ModelTooLarge(
                f"{key} needs {expected_bytes:,} bytes, and models may take {self.budget_bytes:,} on this device "
                "(GPU_MEMORY_FRACTION of its memory)"
            )
        while self.used_bytes + expected_bytes > self.budget_bytes and self.evict_idle():
            pass
        pinned = [model for model in self._models.values() if model.is_pinned and model.key != key]
        if pinned and self.used_bytes + expected_bytes > self.budget_bytes:
            raise DeviceOutOfMemory(
                f"{key} needs {expected_bytes:,} bytes, and of the {self.budget_bytes:,} that models may take here "
                f"{sum(model.footprint for model in pinned):,} are pinned: unpin a model, or send it to another worker"
            )

    def _make_room_for_what_was_measured(self, key: ModelKey) -> None:
        """A loaded model may take more than its weights promised."""
        measured = self._models[key].footprint
        loaded = self._models.pop(key)
        try:
            self._make_room(key, measured)
        except (ModelTooLarge, DeviceOutOfMemory):
            del loaded
            self._collect()
            raise
        self._models[key] = loaded

    def _publish(self) -> None:
        self._published = tuple(self._models.values())

    def _collect(self) -> None:
        collect_all()  # modules refer to themselves in circles
        self._release()


def _wait_until_gone(model: "weakref.ref[LoadedModel]") -> None:
    """Whoever still holds it would keep its memory, which is collected only when the next model is unloaded."""
    ends_at = time.monotonic() + LET_GO_SECONDS
    while model() is not None and time.monotonic() < ends_at:
        time.sleep(LET_GO_SECONDS / 1000)
