"""Ends a process whose device is lost, once its tasks have been given to others."""

import logging
import signal
import time
from collections.abc import Callable
from typing import Any, cast

import redis
from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

from actors.errors import DeviceFaulty, DeviceLost
from actors.middleware.device_claim import DeviceClaim
from actors.queueing.broker import ClusterBroker
from actors.queueing.device_faults import Death
from actors.queueing.quarantine import Quarantine
from actors.queueing.results import result_backend

logger = logging.getLogger(__name__)

#: The worker's exit code then; the launcher starts it again after its pause.
DEVICE_LOST_EXIT_CODE = 75


def _ask_for_end() -> None:
    """As SIGTERM from outside does, on Windows too; Dramatiq's handler runs in the main thread."""
    signal.raise_signal(signal.SIGTERM)


class DeviceLoss(Middleware):
    """Stands before the other hooks of workers in the list, so that it ends the process after all of them."""

    def __init__(self, claim: DeviceClaim, worker_id: str, ask_for_end: Callable[[], None] = _ask_for_end) -> None:
        self._claim, self._worker_id, self._ask_for_end = claim, worker_id, ask_for_end
        self._loss: DeviceLost | None = None
        self._tasks: set[str] = set()
        self._is_ending = False

    def note(self, broker: Broker, loss: DeviceLost) -> None:
        """The device thread, once, whatever met the loss: no more tasks are taken, and it ends as after SIGTERM."""
        self._loss = loss
        logger.critical("This process ends after its tasks are given back: %s.", loss)
        cast("ClusterBroker", broker).restraint.is_draining = True
        if not self._is_ending:  # a second signal would end it at once
            self._ask_for_end()

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """The finisher, with a task that met the loss; the retries give it to others."""
        if isinstance(exception, DeviceLost):
            self._tasks.add(message.message_id)

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, whoever asked for the end."""
        self._is_ending = True

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, after all other hooks.

        Raises:
          SystemExit: When the device is lost.
        """
        if self._loss and (device := self._claim.full_name):
            try:
                self._tell(
                    Quarantine(cast("ClusterBroker", broker).client, result_backend(broker).client), device, self._loss
                )
            except redis.RedisError as error:
                logger.warning("That %s was lost is not noted: %s", device, error)
            raise SystemExit(DEVICE_LOST_EXIT_CODE)

    def _tell(self, quarantine: Quarantine, device: str, loss: DeviceLost) -> None:
        if isinstance(loss, DeviceFaulty):
            quarantine.impose(device, str(loss))
        else:
            quarantine.note_death(device, Death(self._worker_id, time.time(), self._tasks))
