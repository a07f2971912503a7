"""What models took in memory when they were loaded, so that one that cannot fit is refused before it is read."""

import threading
from collections.abc import Callable

from actors.engine.work import ModelKey

#: A model in one precision.
Measured = tuple[ModelKey, str]

#: Asks what other workers with such a device have measured; None when nobody knows.
Lookup = Callable[[ModelKey, str], int | None]


class Footprints:
    """This worker's own measurements, and through `look_up` the others'. Safe to use from any thread."""

    def __init__(self) -> None:
        self.look_up: Lookup = lambda key, dtype: None
        self._own: dict[Measured, int] = {}
        self._untold: dict[Measured, int] = {}
        self._mutex = threading.Lock()

    def note(self, key: ModelKey, dtype: str, footprint: int) -> None:
        """Takes in what a model was measured to take."""
        with self._mutex:
            self._own[key, dtype] = self._untold[key, dtype] = footprint

    def known(self, key: ModelKey, dtype: str) -> int | None:
        """What a model took last, here before elsewhere."""
        own = self._own.get((key, dtype))
        return self.look_up(key, dtype) if own is None else own

    def take_untold(self) -> dict[Measured, int]:
        """What was measured since the last call, for the others."""
        with self._mutex:
            untold, self._untold = self._untold, {}
        return untold
