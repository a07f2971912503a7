"""Ends a worker process in order when it is to be fresh again, so that its launcher starts it anew."""

import logging
import signal

from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

logger = logging.getLogger(__name__)

#: The worker's exit code then.
RECYCLED_EXIT_CODE = 76


class Recycling(Middleware):
    """Stands before the other hooks of workers in the list, so that it ends the process after all of them."""

    def __init__(self) -> None:
        self._is_requested = self._is_ending = False

    def request(self, reason: str = "it was told to") -> None:
        """Any thread; the process ends as after SIGTERM, when the tasks in hand have ended."""
        if self._is_requested or self._is_ending:
            return  # a second signal would end it at once
        logger.warning("This process ends after its tasks in hand, to be started again by its launcher: %s.", reason)
        self._is_requested = True
        signal.raise_signal(signal.SIGTERM)  # on Windows too; Dramatiq's handler runs in the main thread

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, whoever asked for the end."""
        self._is_ending = True

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, after all other hooks.

        Raises:
          SystemExit: When it was requested.
        """
        if self._is_requested:
            raise SystemExit(RECYCLED_EXIT_CODE)
