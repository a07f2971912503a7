"""A model that is on this host, or on its way there."""

import time
from concurrent.futures import Future, wait

from actors.model_store.progress import Progress
from actors.model_store.stored_model import StoredModel

#: How often one that waits looks whether that still makes sense.
LOOK_SECONDS = 1.0


class Arrival(Future[StoredModel]):
    """Holds the verified folder when it is there, and tells until then how far it is."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress

    def wait(self, timeout_seconds: float) -> StoredModel:
        """The model, once it is there.

        Raises:
          TimeoutError: When it is not, after so long.
          LoadTimedOut: When bringing it takes too long, or hangs.
        """
        ends_at = time.monotonic() + timeout_seconds
        while not self.done() and (left := ends_at - time.monotonic()) > 0:
            self.progress.check()
            wait([self], min(left, LOOK_SECONDS))
        return self.result(0)
