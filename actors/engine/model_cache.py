"""The models in a device's memory: least recently used goes first, never one in use."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from actors.engine.garbage import collect_all, set_aside
from actors.engine.loader import LoadedModel
from actors.engine.work import ModelKey
from actors.errors import ModelTooLarge

logger = logging.getLogger(__name__)


class ModelCache:
    """Loaded models within a budget of bytes. Changed by the device thread only; others may read `models`."""

    def __init__(self, budget_bytes: int | None, release: Callable[[], None]) -> None:
        self.budget_bytes = budget_bytes
        self._release = release
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
            self._in_use.discard(key)

    def evict_idle(self) -> bool:
        """Frees the least recently used model that is not in use; False when there is none."""
        for key in self._models:
            if key not in self._in_use:
                self._evict(key)
                return True
        return False

    def clear(self) -> None:
        """Frees everything."""
        while self.evict_idle():
            pass

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

    def _make_room_for_what_was_measured(self, key: ModelKey) -> None:
        """A loaded model may take more than its weights promised."""
        measured = self._models[key].footprint
        loaded = self._models.pop(key)
        try:
            self._make_room(key, measured)
        except ModelTooLarge:
            del loaded
            self._collect()
            raise
        self._models[key] = loaded

    def _evict(self, key: ModelKey) -> None:
        model = self._models.pop(key)
        self._publish()
        logger.info("Unloading %s (%d bytes).", key, model.footprint)
        del model
        self._collect()

    def _publish(self) -> None:
        self._published = tuple(self._models.values())

    def _collect(self) -> None:
        collect_all()  # modules refer to themselves in circles
        self._release()
