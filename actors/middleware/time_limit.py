"""Dramatiq's time limit, for what Dramatiq's own threads run."""

from typing import Any

from dramatiq import Broker
from dramatiq.middleware import TimeLimit

from actors.context import device_worker


class ThreadTimeLimit(TimeLimit):
    """Interrupts worker threads. Inference tasks have none: `actors.serving` ends them by their own deadline."""

    def before_process_message(self, broker: Broker, message: Any) -> None:
        """The thread that is about to run the message."""
        worker = device_worker()
        if not (worker and worker.tasks.runs(message)):
            super().before_process_message(broker, message)
