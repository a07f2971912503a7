"""Tells the model-manager that a worker process is there, from a thread that no task can block."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from actors.devices.backend import Device
from actors.errors import ClusterError
from actors.model_store.origin import NotUnderstood, Origin

logger = logging.getLogger(__name__)

#: How often the model-manager expects to hear of a worker.
BEAT_SECONDS = 30.0


class Registration:
    """Registers, beats, and registers again when the model-manager has forgotten the worker. Never fatal."""

    def __init__(self, origin: Origin, worker_id: str, host: str, device: Device) -> None:
        self._origin, self._worker_id, self._host, self._device = origin, worker_id, host, device
        self._is_registered = self._is_failing = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_stopped, name="registration", daemon=True)

    @property
    def _id(self) -> str:
        """The model-manager's ids have no dot, and names of hosts may."""
        return self._worker_id.replace(".", "-")

    def start(self) -> None:
        """Begins to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beats no more; the model-manager has no way to be told goodbye."""
        self._stopped.set()

    def _beat_until_stopped(self) -> None:
        while not self._stopped.is_set():
            try:
                self._beat()
                self._is_failing = False
            except NotUnderstood as error:  # such as for a sixth device: it knows the indices 0 to 4
                logger.warning("%s works without being registered: %s", self._worker_id, error)
                return
            except ClusterError as error:
                self._note_failure(error)
            except Exception:
                logger.exception("%s cannot be registered.", self._worker_id)
                return
            self._stopped.wait(BEAT_SECONDS)

    def _beat(self) -> None:
        step: Callable[[], None] = self._send_heartbeat if self._is_registered else self._register
        self._is_registered, was_registered = False, self._is_registered
        step()
        self._is_registered = True
        if not was_registered:
            logger.info("%s is registered at %s.", self._worker_id, self._origin.url)

    def _register(self) -> None:
        self._origin.tell("/workers/", self._fields(), f"worker {self._worker_id}")

    def _send_heartbeat(self) -> None:
        self._origin.tell(f"/workers/{self._id}/heartbeat", self._fields(), f"worker {self._worker_id}")

    def _note_failure(self, error: ClusterError) -> None:
        if not self._is_failing:
            logger.warning("%s is not registered; it is tried again: %s", self._worker_id, error)
        self._is_failing = True

    def _fields(self) -> dict[str, Any]:
        memory = self._device.memory()
        return {
            "id": self._id,
            "worker_id": self._worker_id,
            "hostname": self._host,
            "gpu_index": self._device.name.index,
            "gpu_name": self._device.label,
            # Required, and more than nothing: the answer is 422 where nobody can tell it, as of an integrated GPU.
            "memory_total_gb": _gigabytes(memory.total),
            "memory_used_gb": _gigabytes(memory.used),
        }


def _gigabytes(size: int | None) -> float | None:
    return round(size / 1e9, 2) if size is not None else None
