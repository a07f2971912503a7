"""The units of the engine's work: a job is one request, its rows are what batches are made of."""

import math
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from actors.engine.work_clock import WorkClock
from actors.errors import ClusterError, DeadlineExceeded, TaskCancelled, TaskTimedOut
from actors.model_store.arrival import Arrival
from actors.model_store.stored_model import StoredModel


class TextStream(Protocol):
    """Takes a text as it is generated, on the device thread, which must not wait for it."""

    def begin(self) -> None:
        """The text begins, once more when its batch has to be run again."""

    def write(self, text: str) -> None:
        """The next piece."""


@dataclass(frozen=True)
class Plan:
    """How a request is to be run, as far as it can be told without its model."""

    architecture: str
    """What the model is loaded as: the name of a transformers Auto class, or `pipeline:TASK`."""
    parameter_class: Hashable
    """Requests of one class may share a batch."""


@dataclass(frozen=True)
class ModelKey:
    """A model in memory: which one, at which revision, loaded as what."""

    name: str
    revision: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}"


@dataclass(frozen=True)
class Item:
    """One row's input, ready for the device."""

    content: Any
    """Token ids for tasks that pad them, else whatever the task's own compute takes."""
    length: int
    """Tokens, padding not included."""
    reserve: int = 0
    """Tokens that the row may still grow by."""
    limit: int | None = None
    """The most tokens that a batch with this row may be wide, growth included."""
    truncated: bool = False


@dataclass(frozen=True)
class Output:
    """One row's result, and how many tokens were generated for it."""

    value: Any
    tokens: int = 0


@dataclass(frozen=True)
class Completion:
    """A job's outputs in the order of its rows, and where its time went in seconds."""

    outputs: tuple[Output, ...]
    model: StoredModel
    dtype: str
    batch_size: int
    input_tokens: int
    truncated: int
    queued_seconds: float
    load_seconds: float
    batch_wait_seconds: float
    compute_seconds: float


@dataclass(eq=False)
class Job:
    """One request on its way through the engine; the device thread alone changes it, any thread may end it."""

    task: str
    request: Any
    """The task's own kind of `actors.payloads.Request`."""
    plan: Plan
    model: StoredModel
    deadline: float
    """By `clock`; TASK_TIMEOUT ends there, which bringing and loading models does not count against."""
    due: float = math.inf
    """By `time.monotonic`; its caller's own deadline, which waits for nothing."""
    clock: WorkClock = field(default_factory=WorkClock)
    future: "Future[Completion]" = field(default_factory=Future)
    stream: TextStream | None = None
    """None when nobody reads along."""
    coming_model: Arrival | None = None
    """What `model` is to become, while it has to be brought to this host first."""
    submitted_at: float = field(default_factory=time.monotonic)
    queued_seconds: float = 0.0
    """How long it waited in Redis before that."""
    keep_alive_seconds: float | None = None
    """How long its model stays in memory after it; None leaves that as it is."""
    is_warm_up: bool = False
    """Whether it is computed for the sake of its model, and no caller waits for its rows."""
    pins: bool = False
    """Whether its model is to stay in memory, once it is computed."""
    rows: list["Row"] = field(default_factory=list)
    load_seconds: float = 0.0
    compute_seconds: float = 0.0
    batch_size: int = 0
    has_ended: bool = False
    """Whether `future` is completed, or just about to be; asking a future takes a lock."""
    _ending: threading.Lock = field(default_factory=threading.Lock)
    """Held by the one thread that completes the future."""

    @property
    def key(self) -> ModelKey:
        """The model in memory that this job needs."""
        return ModelKey(self.model.name, self.model.revision, self.plan.architecture)

    @property
    def group(self) -> tuple[str, ModelKey, Hashable]:
        """Jobs of one group may share a batch."""
        return self.task, self.key, self.plan.parameter_class

    @property
    def waiting_since(self) -> float:
        """When its caller sent it, by `time.monotonic`."""
        return self.submitted_at - self.queued_seconds

    @property
    def lateness(self) -> ClusterError | None:
        """Why its time is over; None while it is not."""
        if time.monotonic() > self.due:
            return DeadlineExceeded(f"{self.task} was stopped at its deadline")
        if self.coming_model:
            return self.coming_model.progress.lateness
        if late_load := self.clock.lateness:
            return late_load
        return TaskTimedOut(f"{self.task} took longer than its time") if self.clock.now() > self.deadline else None

    @property
    def has_succeeded(self) -> bool:
        """Whether its result is there."""
        return self.future.done() and self.future.exception() is None

    def end_if_late(self) -> bool:
        """Ends the job when its time is over; True when it has ended, however."""
        if not self.has_ended and (error := self.lateness):
            self.fail(error)
        return self.has_ended

    def cancel(self) -> None:
        """Ends the job at once, because nobody waits for it any more; the device thread drops its rows when it can."""
        self.fail(TaskCancelled(f"{self.task} was cancelled"))

    def fail(self, error: BaseException) -> None:
        """Ends the job with an error, unless it has ended."""
        self._end(lambda: self.future.set_exception(error))

    def complete_if_done(self, dtype: str) -> None:
        """Ends the job once all its rows have their output."""
        if self.has_ended or any(row.output is None for row in self.rows):
            return
        waited = time.monotonic() - self.submitted_at - self.load_seconds - self.compute_seconds
        completion = Completion(
            outputs=tuple(row.output for row in self.rows if row.output),
            model=self.model,
            dtype=dtype,
            batch_size=self.batch_size,
            input_tokens=sum(row.item.length for row in self.rows),
            truncated=sum(row.item.truncated for row in self.rows),
            queued_seconds=self.queued_seconds,
            load_seconds=self.load_seconds,
            batch_wait_seconds=max(0.0, waited),
            compute_seconds=self.compute_seconds,
        )
        self._end(lambda: self.future.set_result(completion))

    def _end(self, complete_future: Callable[[], None]) -> None:
        with self._ending:
            if self.has_ended:
                return
            self.has_ended = True
            complete_future()


@dataclass(eq=False)
class Row:
    """One text of a job."""

    job: Job
    item: Item
    output: Output | None = None


#: Called on the device thread with a row that has its output, as soon as it has it.
Deliver = Callable[[Row, Output], None]
