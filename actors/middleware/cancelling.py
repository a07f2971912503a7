"""Listens for cancelled tasks in processes that hold a device."""

from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

from actors.middleware.device_claim import DeviceClaim
from actors.queueing.cancellations import Cancellations


class Cancelling(Middleware):
    """Starts and ends the listener; in processes without a device every hook does nothing."""

    def __init__(self, claim: DeviceClaim, cancellations: Cancellations) -> None:
        self._claim, self._cancellations = claim, cancellations

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Main thread, after the claim and before the first task."""
        if self._claim.device is not None:
            self._cancellations.start()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, when no task is left."""
        self._cancellations.stop()
