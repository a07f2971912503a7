"""What this worker leaves to others for a while, although it has room."""

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Restraint:
    """Models that have just failed here in a passing way, or everything. Any thread writes, the consumer's reads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._mutex = threading.Lock()
        self._quarantine: str | None = None
        self.is_draining = False
        """Whether no inference tasks are to be taken for now: an operator has asked for it, or the device is lost."""

    @property
    def takes_none(self) -> bool:
        """Whether no inference tasks are taken, for either reason."""
        return self.is_draining or self.is_quarantined

    @property
    def is_quarantined(self) -> bool:
        """Whether no inference tasks are taken at all."""
        return self._quarantine is not None

    def note_quarantine(self, device: str, reason: str | None) -> None:
        """What is known now of this worker's device; None when it is not in quarantine."""
        if reason is not None and self._quarantine is None:
            logger.error("%s is in quarantine, no inference tasks are taken: %s.", device, reason)
        if reason is None and self._quarantine is not None:
            logger.info("The quarantine of %s is over.", device)
        self._quarantine = reason

    def shun(self, model: str, seconds: float) -> None:
        """Leaves young tasks of a model, as they name it, to other workers for so long."""
        with self._mutex:
            self._until[model] = max(self._until.get(model, 0.0), self._clock() + seconds)

    def shunned(self) -> frozenset[str]:
        """The models that are left to others now."""
        with self._mutex:
            now = self._clock()
            self._until = {model: until for model, until in self._until.items() if until > now}
            return frozenset(self._until)
