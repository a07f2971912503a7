"""Lets each worker process consume a queue of its own, for what is meant for it alone."""

from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

from settings import keys


class OwnQueue(Middleware):
    """Runs in worker processes of every role. After the heartbeat in the list, which tells the shared queues only."""

    def __init__(self, worker_id: str) -> None:
        self._queue = keys.control_queue(worker_id)

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Main thread, after the role is known."""
        if worker.consumer_whitelist:
            worker.consumer_whitelist = {*worker.consumer_whitelist, self._queue}

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Main thread; commands are taken from now on."""
        # Declared, the queue would have a consumer for delays too, and be one of those that recovery gives to others.
        worker._add_consumer(self._queue)
