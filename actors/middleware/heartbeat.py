"""Publishes what this process is doing, every two seconds, from a thread that no task can block."""

import logging
import math
import os
import threading
import time
from typing import Any, cast

import psutil
import redis
from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

from actors.context import device_worker
from actors.middleware.device_claim import DeviceClaim
from actors.queueing.broker import ClusterBroker
from actors.serving.lifecycle import Lifecycle
from actors.versions import installed_versions
from settings import keys
from settings.capacity import LIVE_SECONDS, note_service
from settings.config import Settings
from settings.connections import HEARTBEAT, queue_client
from settings.events import note_events
from settings.footprints import ceiling_field, field, note_ceiling, note_footprints
from settings.records import (
    BEAT_SECONDS,
    RECORD_TTL_SECONDS,
    DeviceRecord,
    ModelRecord,
    TaskRecord,
    WorkerRecord,
    WorkerState,
)

logger = logging.getLogger(__name__)

#: Ids of workers that have been gone for this long leave the index.
FORGET_AFTER_SECONDS = 86_400

#: Between two beats that also trim the indexes of workers and name the queues that are served, in beats.
UPKEEP_BEATS = 10

#: Stores a record and when it came by Redis' own clock, so that no host's clock matters; says who takes tasks.
_BEAT = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('ZADD', KEYS[2], string.format('%.3f', now), ARGV[3])
if ARGV[4] == '1' then redis.call('ZADD', KEYS[3], string.format('%.3f', now), ARGV[3])
else redis.call('ZREM', KEYS[3], ARGV[3]) end
"""

#: Workers that have been silent for long leave the indexes.
_TRIM = """
local now = redis.call('TIME')[1]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[2])
"""


class Heartbeat(Middleware):
    """Counts tasks in its hooks; the thread reads them, the engine and the device, and writes one record."""

    def __init__(self, settings: Settings, claim: DeviceClaim, worker_id: str) -> None:
        self._settings, self._claim, self._worker_id = settings, claim, worker_id
        self._running: dict[str, TaskRecord] = {}
        self._done = self._failed = 0
        self._state: WorkerState = "starting"
        self._queues: tuple[str, ...] = ()
        self._started_at = time.time()
        self._software = installed_versions()
        self._mutex, self._beating = threading.Lock(), threading.Lock()
        self._lifecycle = Lifecycle(worker_id)
        self._beats = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Main thread, after the claim and before the device is opened, which may take long."""
        self._broker_id = broker.broker_id  # type: ignore[attr-defined]  # of the Redis broker
        self._restraint = cast("ClusterBroker", broker).restraint
        self._queues = tuple(sorted(worker.consumer_whitelist or broker.get_declared_queues()))
        self._redis = queue_client(self._settings, HEARTBEAT)
        self._thread = threading.Thread(target=self._beat_until_ended, name="heartbeat", daemon=True)
        self._thread.start()

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Main thread, when tasks are being taken."""
        self._state = "idle"
        self._lifecycle.note("started")
        self._beat()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, when no further tasks are taken."""
        self._state = "draining"

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, when no task is left."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        self._lifecycle.note("ended")
        try:
            with self._lifecycle.telling(None) as events, self._redis.pipeline(transaction=True) as pipe:
                note_events(pipe, events)
                pipe.delete(keys.worker(self._worker_id))
                pipe.zrem(keys.WORKERS, self._worker_id)
                pipe.zrem(keys.DEVICES, self._worker_id)
                pipe.execute()
        except redis.RedisError as error:
            logger.warning("The record of %s stays until it expires: %s", self._worker_id, error)

    def before_process_message(self, broker: Broker, message: Any) -> None:
        """The thread that is about to run or begin the task."""
        task = TaskRecord(
            message_id=message.message_id,
            actor=message.actor_name,
            model=_short_text(message.kwargs.get("model")),
            started_at=time.time(),
        )
        with self._mutex:
            self._running[message.message_id] = task

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """The thread that ran or settles the task."""
        with self._mutex:
            self._running.pop(message.message_id, None)
            self._done += exception is None
            self._failed += exception is not None
        self._lifecycle.note_failure(_short_text(message.kwargs.get("model")), exception)

    def after_skip_message(self, broker: Broker, message: Any) -> None:
        """The thread that did not run the task."""
        with self._mutex:
            self._running.pop(message.message_id, None)

    def _beat_until_ended(self) -> None:
        while not self._ended.is_set():
            self._beat()
            self._ended.wait(BEAT_SECONDS)

    def _beat(self) -> None:
        try:
            with self._beating, self._redis.pipeline(transaction=False) as pipe:
                self._send(pipe, self._record())
                self._beats += 1
        except redis.RedisError as error:
            logger.debug("A beat of %s was lost: %s", self._worker_id, error)
        except Exception:
            logger.exception("The record of %s cannot be made.", self._worker_id)

    def _send(self, pipe: Any, record: WorkerRecord) -> None:
        """The record and what has changed, in one round trip."""
        names = (keys.worker(self._worker_id), keys.WORKERS, keys.DEVICES)
        arguments = (record.to_json(), RECORD_TTL_SECONDS, self._worker_id, int(self._takes_tasks()))
        with self._lifecycle.telling(record) as events:
            pipe.eval(_BEAT, len(names), *names, *arguments)
            if self._beats % UPKEEP_BEATS == 0:
                pipe.eval(_TRIM, 2, keys.WORKERS, keys.DEVICES, FORGET_AFTER_SECONDS, LIVE_SECONDS)
                pipe.sadd(keys.QUEUES, *self._queues)
            note_events(pipe, events)
            self._note_service(pipe)
            self._note_footprints(pipe)
            pipe.execute()

    def _takes_tasks(self) -> bool:
        """Whether this process serves the inference queue now: not while it starts, ends or must not."""
        return self._claim.role == "device" and self._state == "idle" and not self._restraint.takes_none

    @staticmethod
    def _note_service(pipe: Any) -> None:
        """What was measured since the last beat; a beat that is lost loses it."""
        if worker := device_worker():
            for model, served in worker.engine.service_times.take().items():
                note_service(pipe, model, served.seconds, served.tasks)

    @staticmethod
    def _note_footprints(pipe: Any) -> None:
        """What a model and its batches take outlives its time in memory, for identical devices and those who ask."""
        if worker := device_worker():
            for (key, dtype), footprint in worker.engine.footprints.take_untold().items():
                name = field(key.revision, key.architecture, dtype, worker.device_class)
                note_footprints(pipe, key.name, {name: footprint})
            for (key, dtype), tokens in worker.engine.ceilings.take_untold().items():
                name = ceiling_field(key.revision, key.architecture, dtype, worker.device_class)
                note_ceiling(pipe, key.name, name, tokens)

    def _record(self) -> WorkerRecord:
        with self._mutex:
            running, done, failed = tuple(self._running.values()), self._done, self._failed
        worker = device_worker()
        engine = worker.engine.status() if worker else None
        return WorkerRecord(
            worker_id=self._worker_id,
            host=self._settings.host_name,
            pid=os.getpid(),
            broker_id=self._broker_id,
            state=self._current_state(bool(running), engine.loading if engine else None),
            device=self._device_record(),
            models=tuple(
                ModelRecord(
                    model=model.key.name,
                    revision=model.key.revision,
                    dtype=model.dtype,
                    bytes=model.footprint,
                    uses=model.uses,
                    loaded_at=model.loaded_at,
                    last_used_at=model.last_used_at,
                    is_pinned=model.is_pinned,
                    expires_at=None if model.expires_at == math.inf else model.expires_at,
                )
                for model in (engine.models if engine else ())
            ),
            running=running,
            loading=engine.loading if engine else None,
            arriving=engine.arriving if engine else (),
            queues=self._queues,
            done=done,
            failed=failed,
            rss_bytes=psutil.Process().memory_info().rss,
            software=self._software,
            started_at=self._started_at,
            sent_at=time.time(),
        )

    def _current_state(self, is_busy: bool, loading: str | None) -> WorkerState:
        if self._state != "idle":
            return "loading" if loading and self._state == "starting" else self._state
        if self._claim.role != "device":
            return self._claim.role
        if self._restraint.is_quarantined:
            return "quarantined"
        if self._restraint.is_draining:
            return "draining"
        if loading:
            return "loading"
        return "busy" if is_busy else "idle"

    def _device_record(self) -> DeviceRecord | None:
        if not (worker := device_worker()):
            return None
        memory, activity = worker.device.memory(), worker.device.activity()
        return DeviceRecord(
            name=str(worker.device.name),
            backend=worker.device.name.backend,
            label=worker.device.label,
            identity=worker.device.identity,
            memory_total=memory.total,
            memory_used=memory.used if memory.used is not None else memory.allocated,
            memory_shared_total=memory.shared_total,
            memory_shared_used=memory.shared_used,
            memory_source=memory.source,
            busy_percent=activity.busy_percent,
            temperature_celsius=activity.temperature_celsius,
            activity_source=activity.source,
            cpu_fallbacks=dict(worker.device.cpu_fallbacks()),
            models_budget=worker.engine.status().budget_bytes,
            memory_unreturned=worker.engine.unreturned.bytes,
        )


def _short_text(value: object) -> str | None:
    """A model's name as the sender wrote it; it has not been checked yet."""
    return value[:200] if isinstance(value, str) else None
