"""Writes into Redis what workers write there."""

from typing import Any

import redis

from settings import keys
from settings.records import RECORD_TTL_SECONDS, DeviceRecord, ModelRecord, WorkerRecord

GIB = 2**30

DEVICE = DeviceRecord(
    name="cuda:0",
    backend="cuda",
    label="NVIDIA GeForce RTX 4090",
    memory_total=24 * GIB,
    memory_used=12 * GIB,
)


def model(name: str, last_used_at: float = 0.0) -> ModelRecord:
    """A model in a worker's memory."""
    return ModelRecord(
        model=name, revision="main", dtype="float16", bytes=GIB, uses=1, loaded_at=0.0, last_used_at=last_used_at
    )


def record(worker_id: str, **fields: Any) -> WorkerRecord:
    """A worker's record; what is not given is that of an idle worker with a device."""
    idle = {"host": "gpu-01", "pid": 42, "broker_id": "b", "state": "idle", "started_at": 0.0, "sent_at": 0.0}
    return WorkerRecord.model_validate({"worker_id": worker_id, "device": DEVICE, **idle, **fields})


class Cluster:
    """The workers of one Redis, as seen from there."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client

    def beat(self, worker_id: str, age_seconds: float = 0.0, **fields: Any) -> None:
        """A worker that beat `age_seconds` ago and whose record lives."""
        seconds, microseconds = self.redis.time()
        sent_at = seconds + microseconds / 1e6 - age_seconds
        self.beat_raw(worker_id, record(worker_id, **{"sent_at": sent_at, **fields}).to_json(), age_seconds)

    def beat_raw(self, worker_id: str, text: str | bytes, age_seconds: float = 0.0) -> None:
        """The same with any text for a record."""
        self.redis.set(keys.worker(worker_id), text, px=RECORD_TTL_SECONDS * 1000)
        self.vanish(worker_id, age_seconds)

    def vanish(self, worker_id: str, age_seconds: float) -> None:
        """A worker that beat `age_seconds` ago and whose record has expired."""
        seconds, microseconds = self.redis.time()
        self.redis.zadd(keys.WORKERS, {worker_id: seconds + microseconds / 1e6 - age_seconds})
