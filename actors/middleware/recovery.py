"""Lets every worker process look after the tasks of those that have died."""

from typing import cast

from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

from actors.middleware.device_claim import DeviceClaim
from actors.queueing.broker import ClusterBroker
from actors.queueing.recovery import Recovery, RecoveryThread
from actors.queueing.siblings import ProcessIdentity, this_host


class RecoveryLife(Middleware):
    """Runs in worker processes of every role, from before their first task until after their last."""

    def __init__(self, claim: DeviceClaim, worker_id: str) -> None:
        self._claim, self._worker_id = claim, worker_id
        self._thread: RecoveryThread | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Main thread, before the device is opened, which may take long."""
        cluster = cast("ClusterBroker", broker)
        process = ProcessIdentity.of_this_process(self._worker_id, self._claim.full_name)
        recovery = Recovery(cluster, this_host())
        cluster.announce = lambda: recovery.register(process)
        self._thread = RecoveryThread(recovery, process)
        self._thread.look()
        self._thread.start()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, when the worker threads have ended or their time is over."""
        if self._thread:
            self._thread.stop()
