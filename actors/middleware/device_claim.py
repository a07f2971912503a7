"""Gives each worker process one device, or the role of a process without one."""

import logging
from typing import Literal

from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

from actors.devices.backend import DeviceName
from actors.devices.claim import Claim, claim_device
from actors.devices.selection import select_devices, this_start
from actors.errors import DeviceUnavailable
from settings import keys
from settings.config import Settings

logger = logging.getLogger(__name__)

#: Threads for the cluster's own jobs.
CONTROL_THREADS = 2


class WorkerCannotStart(SystemExit):
    """Ends a worker process at its start, with one line in the log and no traceback."""


class DeviceClaim(Middleware):
    """Claims a device before the worker consumes anything. Processes beyond the devices serve `control` and no more."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._claim: Claim | None = None
        self.role: Literal["device", "standby", "control"] = "control"

    @property
    def device(self) -> DeviceName | None:
        """The device of this process."""
        return self._claim.name if self._claim else None

    @property
    def full_name(self) -> str | None:
        """HOST/NAME of the device, which no other in the cluster has."""
        return f"{self._settings.host_name}/{self.device}" if self.device else None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Worker processes only, main thread, before any consumer or worker thread exists."""
        asked_for = worker.consumer_whitelist
        if asked_for and keys.INFERENCE_QUEUE not in asked_for:
            return
        self._claim = self._claim_or_end()
        if self._claim is None:
            self.role = "standby"
            self._serve_control_only(worker)
            logger.info("Every device of GPU_DEVICES has its process; this one stands by for control jobs.")
            return
        self.role = "device"
        # The prefetch bounds the inference tasks, so that some threads are always free for control jobs.
        worker.worker_threads = self._settings.worker_concurrency + CONTROL_THREADS
        worker.queue_prefetch = self._settings.worker_concurrency
        logger.info("Claimed %s.", self.device)

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Worker processes only, main thread, when no task is left."""
        if self._claim:
            self._claim.release()

    def _claim_or_end(self) -> Claim | None:
        try:
            devices = select_devices(self._settings)
            return claim_device(devices, self._settings.state_dir / "devices", this_start())
        except DeviceUnavailable as error:
            raise WorkerCannotStart(f"This worker cannot start: {error}.") from None

    @staticmethod
    def _serve_control_only(worker: Worker) -> None:
        worker.consumer_whitelist = {keys.CONTROL_QUEUE}
        worker.worker_threads = CONTROL_THREADS
