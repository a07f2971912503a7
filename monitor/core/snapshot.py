"""One reading of the cluster, as frozen values."""

from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from monitor.core.audit import AuditEvent
from monitor.core.event import Event
from monitor.core.listed_tasks import ListedTask
from monitor.core.server_view import ServerView
from monitor.core.spread import Waits
from settings.capacity import Capacity
from settings.lane_names import Priority
from settings.records import LATE_AFTER_SECONDS, DeviceRecord, QueueCounts, TaskRecord, WorkerRecord

#: live: beats; late: has missed beats; lost: its record has expired without a goodbye.
Liveness = Literal["live", "late", "lost"]

#: The backend of a device that is no GPU: its memory is the host's, which several workers share.
_CPU = "cpu"

#: What tells one stay of a model in memory from the next.
_STAY = attrgetter("model", "revision", "loaded_at")


@dataclass(frozen=True)
class WorkerView:
    """A worker that beat at some time; its record is `None` when it has expired or cannot be read.

    It is the same object in each reading until the worker beats again or goes quiet.
    """

    worker_id: str
    liveness: Liveness
    beat_at: float
    """By Redis' clock."""
    record: WorkerRecord | None = None
    clock_offset_seconds: float | None = None
    """How far its host's clock is ahead of Redis', up to the time that a beat takes."""
    text: Annotated[bytes | None, Field(exclude=True)] = field(default=None, compare=False, repr=False)
    """The record as Redis holds it, where it comes from there."""

    @property
    def word(self) -> str:
        """The one word for it: what it says, unless it has gone quiet."""
        if self.liveness != "live":
            return self.liveness
        return self.record.state if self.record else "unknown"

    @property
    def gpu(self) -> DeviceRecord | None:
        """Its device, unless that is the host's own processor."""
        device = self.record.device if self.record else None
        return device if device and device.backend != _CPU else None

    def age_seconds(self, now: float | None) -> float:
        """The time since its last beat; none for a beat from the future, or when nobody knows the time."""
        return max(0.0, (now or 0.0) - self.beat_at)


class Beat(NamedTuple):
    """A worker's record before and now."""

    worker_id: str
    before: WorkerRecord
    now: WorkerRecord
    has_other_models: bool
    """Whether other models are in memory, or the same ones anew."""


@dataclass(frozen=True)
class Changes:
    """What the workers of two readings differ in: those that have beaten, gone quiet or come, and those that left."""

    before: tuple[WorkerView, ...]
    now: tuple[WorkerView, ...]
    pairs: tuple[tuple[WorkerView | None, WorkerView], ...] = ()
    """Before and now; `None` for one that was not there before."""
    left: tuple[WorkerView, ...] = ()

    @cached_property
    def beats(self) -> tuple[Beat, ...]:
        """Those that have beaten."""
        pairs = ((now.worker_id, before.record, now.record) for before, now in self.pairs if before)
        return tuple(
            Beat(worker_id, before, now, [*map(_STAY, before.models)] != [*map(_STAY, now.models)])
            for worker_id, before, now in pairs
            if before and now and before is not now
        )


@dataclass(frozen=True)
class LaneView:
    """The messages of one list, of a model and a priority, or of a queue's own without a model."""

    name: str
    queue: str
    priority: Priority = "normal"
    model: str | None = None
    ready: int = 0
    running: int = 0
    delayed: int = 0
    dead: int = 0
    oldest_seconds: float | None = None
    """How long its first message has waited, when its id tells."""
    is_paused: bool = False
    """Whether workers take nothing from it, because it or its queue is paused."""


@dataclass(frozen=True)
class RedisView:
    """What Redis says of its own memory; `memory_max` is 0 without a limit."""

    version: str
    memory_used: int
    memory_max: int
    eviction_policy: str


@dataclass(frozen=True)
class RecentTask:
    """A task that a worker has let go: it has ended, or is tried again."""

    worker_id: str
    task: TaskRecord
    gone_at: float
    """By the worker's clock: when it first said so."""


@dataclass(frozen=True)
class Trends:
    """What changed in the last minutes, as far as they were watched; `None` before that can be told."""

    done_per_minute: float | None = None
    failed_per_minute: float | None = None
    growth_per_minute: dict[str, float] = field(default_factory=dict)
    """Lanes whose waiting messages become more, or fewer, and by how many."""
    loads: dict[str, int] = field(default_factory=dict)
    """Models that were loaded in the last ten minutes, and how often, the first time that was seen left aside."""
    done_trend: tuple[float, ...] = ()
    """The rates of the last ten minutes, a point each ten seconds, the newest at the end."""
    failed_trend: tuple[float, ...] = ()
    waits: Waits = field(default_factory=Waits)
    unloads: dict[str, int] = field(default_factory=dict)
    """Models that left a device's memory in the last ten minutes, for whatever reason."""
    swaps: dict[str, int] = field(default_factory=dict)
    """Those of the loads for which others had to leave."""
    uses: dict[str, int] = field(default_factory=dict)
    """How often models were used in the same time; all but the loads found them in memory."""
    watched_seconds: float | None = None
    """How much of the last ten minutes was watched."""
    passive: dict[str, float] = field(default_factory=dict)
    """Workers that have taken nothing for a while although tasks wait for what they hold, and for how many seconds."""


@dataclass(frozen=True)
class StateChange:
    """A worker came into a state, or was first seen in it; idle and busy count as `serving`."""

    at: float
    state: str


@dataclass(frozen=True)
class Minute:
    """What a worker did in a minute; `None` is what nobody can tell."""

    begin: float
    done: int
    failed: int
    busy_share: float | None
    """Of its beats, in percent: those at which it had tasks in hand."""
    gpu_percent: float | None
    """The most that its device told."""
    memory_used: int | None
    """The last that its device told."""


@dataclass(frozen=True)
class WorkerHistory:
    """What a worker did since the monitor looks, or in the last ten minutes of it."""

    since: float
    minutes: tuple[Minute, ...]
    """The newest at the end, which goes on."""
    changes: tuple[StateChange, ...]
    asked_at: float | None = None
    """When it last looked for tasks with nothing in hand, as Redis knows."""


@dataclass(frozen=True)
class Snapshot:
    """The cluster at one moment of Redis' clock; `at` is `None` before the first answer.

    With an `error` the rest is what was known before it.
    """

    at: float | None = None
    queues: tuple[QueueCounts, ...] = ()
    workers: tuple[WorkerView, ...] = ()
    error: str | None = None
    lanes: tuple[LaneView, ...] = ()
    redis: RedisView | None = None
    trends: Trends = Trends()
    tasks: tuple[ListedTask, ...] = ()
    """The first of each lane and its newest dead letters; read while their page is open, or one of the lanes."""
    capacities: dict[str, Capacity] = field(default_factory=dict)
    """How fast the model of the open lane is worked off, by its name; read while one is open."""
    histories: dict[str, WorkerHistory] = field(default_factory=dict)
    """What the open worker did, by its id; told while one is open."""
    recent_tasks: tuple[RecentTask, ...] = ()
    """The latest that workers have let go, first the newest."""
    server: ServerView | None = None
    """All that Redis says of itself; read while its page is open."""
    paused: dict[str, str] = field(default_factory=dict)
    """Queues and lanes that operators have paused, and who did."""
    audit: tuple[AuditEvent, ...] = ()
    """What operators did last, the newest first."""
    events: tuple[Event, ...] = ()
    """What was seen to happen, the newest first."""
    changes: Annotated[Changes | None, Field(exclude=True)] = field(default=None, compare=False, repr=False)
    """What its workers differ in from those of the reading before, where somebody has compared them."""

    @property
    def dead_letters(self) -> int:
        """The dead letters of all queues."""
        return sum(queue.dead for queue in self.queues)


def judge_liveness(age_seconds: float, has_record: bool) -> Liveness:
    """What the age of a worker's last beat and the presence of its record say about it."""
    if not has_record:
        return "lost"
    return "late" if age_seconds > LATE_AFTER_SECONDS else "live"
