"""The shapes of everything that is stored in Redis for others to read.

Memory is in bytes, times are seconds since the epoch, durations say their unit. `None` means that nobody can tell.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

#: Raised when a reader of the older shape would misread a record.
RECORD_VERSION = 1

#: Seconds between two beats of a worker.
BEAT_SECONDS = 2.0

#: Seconds after its last beat at which a worker's record expires: a driver call may hold the GIL for a while.
RECORD_TTL_SECONDS = 30

#: A worker that has missed this many seconds of beats is shown as late.
LATE_AFTER_SECONDS = 3 * BEAT_SECONDS

WorkerState = Literal["starting", "loading", "idle", "busy", "draining", "quarantined", "standby", "control"]


LoadPhase = Literal[
    "looking up",
    "asking the folder",
    "waiting for the registry",
    "waiting for another process",
    "downloading",
    "verifying",
    "reading",
    "copying",
    "warming up",
]


LifecycleKind = Literal[
    "started",
    "loading",
    "loaded",
    "unloaded",
    "load failed",
    "draining",
    "quarantined",
    "resumed",
    "device lost",
    "ended",
]


class Record(BaseModel):
    """A frozen value that reads what newer writers added without a complaint."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_json(self) -> str:
        """The stored text."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Reads a stored text.

        Raises:
          pydantic.ValidationError: When it is not a record of this shape.
        """
        return cls.model_validate_json(text)


class DeviceRecord(Record):
    """A device as its worker sees it.

    `identity` tells identical cards apart: a PCI address, or the LUID that Windows gives until the next start.
    `memory_shared_total` is the host's RAM that a driver lends to the device, never part of `memory_total`.
    `memory_unreturned` is what unloaded models of this process should have given back and did not.
    `cpu_fallbacks` tells how often each operator was computed on the CPU since the process started.
    """

    name: str
    backend: str
    label: str
    identity: str | None = None
    memory_total: int | None = None
    memory_used: int | None = None
    memory_shared_total: int | None = None
    memory_shared_used: int | None = None
    memory_source: str | None = None
    busy_percent: float | None = None
    temperature_celsius: float | None = None
    activity_source: str | None = None
    cpu_fallbacks: dict[str, int] = {}
    models_budget: int | None = None
    memory_unreturned: int | None = None


class ModelRecord(Record):
    """A model that a worker holds in its device's memory."""

    model: str
    revision: str
    dtype: str
    bytes: int
    uses: int
    loaded_at: float
    last_used_at: float
    is_pinned: bool = False
    expires_at: float | None = None


class ArrivingModel(Record):
    """A model on its way into a device's memory: downloaded, read or copied."""

    model: str
    phase: str
    """One of `LoadPhase`, or what a newer writer calls it."""
    done_bytes: int | None = None
    total_bytes: int | None = None
    seconds_left: float | None = None
    """At the speed of this phase until now."""
    started_at: float


class TaskRecord(Record):
    """A task that a worker has in hand."""

    message_id: str
    actor: str
    model: str | None = None
    started_at: float


class WorkerRecord(Record):
    """What one worker process says about itself every two seconds."""

    version: int = RECORD_VERSION
    worker_id: str
    host: str
    pid: int
    broker_id: str
    state: WorkerState
    device: DeviceRecord | None = None
    models: tuple[ModelRecord, ...] = ()
    running: tuple[TaskRecord, ...] = ()
    loading: str | None = None
    """What the device is loading."""
    arriving: tuple[ArrivingModel, ...] = ()
    """That and what is being brought to the host meanwhile."""
    queues: tuple[str, ...] = ()
    done: int = 0
    failed: int = 0
    rss_bytes: int | None = None
    software: dict[str, str] = {}
    started_at: float
    sent_at: float


class LifecycleEvent(Record):
    """Something that has happened to a worker process, or to a model in it."""

    version: int = RECORD_VERSION
    worker_id: str
    event: str
    """One of `LifecycleKind`, or what a newer writer calls it."""
    model: str | None = None
    """With its revision where that is known."""
    phase: str | None = None
    """One of `LoadPhase`, of a model that is on its way."""
    error: str | None = None
    """The class of a failure."""


def readable_worker(text: bytes | None) -> WorkerRecord | None:
    """A stored record, None for one of another version or shape."""
    try:
        record = WorkerRecord.from_json(text or b"")
    except ValidationError:
        return None
    return record if record.version == RECORD_VERSION else None


class QueueCounts(Record):
    """The messages of one queue by what has become of them."""

    queue: str
    ready: int
    running: int
    delayed: int
    dead: int


class ClusterHealth(Record):
    """The cluster's summary of one minute, written by the periodic job."""

    version: int = RECORD_VERSION
    at: float
    queues: tuple[QueueCounts, ...]
    workers: int
    workers_late: int
    devices: int
    busy: int
    models: dict[str, int]
    memory_total: int | None = None
    memory_used: int | None = None
