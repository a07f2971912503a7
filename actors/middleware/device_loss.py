"""Ends a process whose device is lost, once its tasks have been given to others."""

import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

from actors.errors import DeviceLost

logger = logging.getLogger(__name__)

#: The worker's exit code then; the launcher starts it again after its pause.
DEVICE_LOST_EXIT_CODE = 75


def _ask_for_end() -> None:
    """As SIGTERM from outside does, on Windows too; Dramatiq's handler runs in the main thread."""
    signal.raise_signal(signal.SIGTERM)


class DeviceLoss(Middleware):
    """Stands before the other hooks of workers in the list, so that it ends the process after all of them."""

    def __init__(self, ask_for_end: Callable[[], None] = _ask_for_end) -> None:
        self._ask_for_end = ask_for_end
        self._mutex = threading.Lock()
        self._is_lost = False

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """The finisher, with a task that met the loss; the retries give it to others."""
        if isinstance(exception, DeviceLost) and self._is_first():
            logger.critical("This process ends after its tasks are given back: %s.", exception)
            self._ask_for_end()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, after all other hooks.

        Raises:
          SystemExit: When the device is lost.
        """
        if self._is_lost:
            raise SystemExit(DEVICE_LOST_EXIT_CODE)

    def _is_first(self) -> bool:
        with self._mutex:
            was_lost, self._is_lost = self._is_lost, True
            return not was_lost
