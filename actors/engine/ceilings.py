"""The ceilings of the models that this device has run, which outlive their time in memory."""

import threading

from actors.engine.batch_ceiling import BatchCeiling
from actors.engine.footprints import Lookup, Measured
from actors.engine.work import ModelKey


class Ceilings:
    """What this worker has learned, begun with what `look_up` knows from others. Safe to use from any thread."""

    def __init__(self) -> None:
        self.look_up: Lookup = lambda key, dtype: None
        self._own: dict[Measured, BatchCeiling] = {}
        self._told: dict[Measured, int | None] = {}
        self._mutex = threading.Lock()

    def of(self, key: ModelKey, dtype: str) -> BatchCeiling:
        """A model's ceiling, to be learned from and to learn; on the device thread."""
        if (own := self._own.get((key, dtype))) is None:
            own = BatchCeiling(self.look_up(key, dtype))
            with self._mutex:
                self._own[key, dtype], self._told[key, dtype] = own, own.tokens
        return own

    def take_untold(self) -> dict[Measured, int]:
        """What has changed since the last call, for the others."""
        with self._mutex:
            now = {measured: ceiling.tokens for measured, ceiling in self._own.items()}
            untold = {measured: tokens for measured, tokens in now.items() if tokens and tokens != self._told[measured]}
            self._told.update(untold)
        return untold
