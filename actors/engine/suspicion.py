"""Tells a device that fails from tasks that fail. Pure: it sees outcomes and touches nothing."""

from collections import deque
from typing import NamedTuple

#: So many different requests must fail alone in their batch, with no success between them.
FAILURES = 3

#: They must be of so many models: one that is broken fails with every request, and on every device.
MODELS = 2


class _Failure(NamedTuple):
    request: object
    model: str


class Suspicion:
    """The latest outcomes of one device; used by the device thread only."""

    def __init__(self) -> None:
        self._failures: deque[_Failure] = deque(maxlen=FAILURES)

    def note_success(self) -> None:
        """A row was computed: the device works."""
        self._failures.clear()

    def note_failure(self, request: object, model: str) -> bool:
        """A row failed alone in its batch for no known reason; whether the device is now the likelier reason."""
        failure = _Failure(request, model)
        if failure not in self._failures:
            self._failures.append(failure)
        models = {failure.model for failure in self._failures}
        return len(self._failures) == FAILURES and len(models) >= MODELS
