"""Ends a worker process in order when it is told to, so that its launcher starts it afresh."""

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
        self._is_requested = False

    def request(self) -> None:
        """Any thread; the process ends as after SIGTERM, when the tasks in hand have ended."""
        logger.info("This process ends as it was told to, and is started again by its launcher.")
        self._is_requested = True
        signal.raise_signal(signal.SIGTERM)  # on Windows too; Dramatiq's handler runs in the main thread

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, after all other hooks.

        Raises:
          SystemExit: When it was requested.
        """
        if self._is_requested:
            raise SystemExit(RECYCLED_EXIT_CODE)
