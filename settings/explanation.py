"""Where one task is and why it waits there, as frozen values and in words."""

from typing import Annotated, Literal

from pydantic import Field

from settings.capacity import Capacity
from settings.lane_names import Priority
from settings.records import Record
from settings.worker_answers import WorkerAnswer


class Waiting(Record):
    """It is in a lane, and no worker has taken it."""

    state: Literal["waiting"] = "waiting"
    lane: str
    priority: Priority
    position: int
    """Its place from the head, which is 1."""
    depth: int
    """How many tasks wait in the lane."""
    ahead: int
    """Tasks of its model that go first: before it in its lane, and in those of higher priority."""
    age_seconds: float | None
    """Since it was sent."""
    is_paused: bool = False
    """Whether an operator has told the workers to take nothing from the lane or its queue."""


class Running(Record):
    """A worker process has it in hand."""

    state: Literal["running"] = "running"
    worker_id: str | None = None
    """None while no worker that lives says that it has it."""
    since: float | None = None
    doing: str | None = None


class Delayed(Record):
    """It is kept until its time comes, because it was sent so or is tried again."""

    state: Literal["delayed"] = "delayed"
    until: float | None = None
    retries: int = 0
    reason: str | None = None
    """The last attempt's failure, when it is a retry."""


class Ended(Record):
    """Its result is stored."""

    state: Literal["ended"] = "ended"
    failure: str | None = None
    """The class of the error that it ended with; None when it succeeded."""
    failure_text: str | None = None


class Cancelled(Record):
    """Its caller has cancelled it."""

    state: Literal["cancelled"] = "cancelled"
    is_answered: bool
    """Whether the answer is stored; else a worker stores it when it takes or stops the task."""


class DeadLetter(Record):
    """It failed for good, and its result has expired."""

    state: Literal["dead letter"] = "dead letter"
    lane: str
    died_at: float


class Unknown(Record):
    """There is no trace of it."""

    state: Literal["unknown"] = "unknown"
    reason: str


Place = Waiting | Running | Delayed | Ended | Cancelled | DeadLetter | Unknown


class Estimate(Record):
    """How long it may be until a worker takes the task; None with the reason why nobody can tell."""

    seconds: float | None = None
    basis: str


#: For a task that no worker is to take, or that one has taken.
NO_ESTIMATE = Estimate(basis="it does not wait in a lane")


class Explanation(Record):
    """Where a task is at one moment of Redis' clock, what the workers say to it, and how long it may wait."""

    message_id: str
    actor: str | None
    model: str | None
    at: float
    place: Annotated[Place, Field(discriminator="state")]
    text: str
    """The place in a sentence."""
    workers: tuple[WorkerAnswer, ...] = ()
    """Each worker's answer, for a task that has not ended."""
    estimate: Estimate


def describe(place: Place, at: float) -> str:
    """The sentence for a place at a time."""
    match place:
        case Waiting():
            age = "" if place.age_seconds is None else f", {_span(place.age_seconds)} after it was sent"
            paused = ", which is paused" if place.is_paused else ""
            return f"waits as number {place.position:,} of {place.depth:,} in the lane {place.lane}{paused}{age}"
        case Running():
            return _describe_running(place, at)
        case Delayed():
            return _describe_delayed(place, at)
        case Ended(failure=None):
            return "has succeeded; its result is stored"
        case Ended():
            return f"has failed: {place.failure}: {place.failure_text}"
        case Cancelled():
            return f"was cancelled{'' if place.is_answered else '; its caller is answered when a worker comes to it'}"
        case DeadLetter():
            age = _span(at - place.died_at)
            return f"failed for good {age} ago, and its result has expired; it is a dead letter of {place.lane}"
        case Unknown():
            return f"is not known: {place.reason}"


def _describe_running(place: Running, at: float) -> str:
    if place.worker_id is None:
        return "was taken by a worker that has not said so yet, or has died; then it comes back into its lane"
    since = "" if place.since is None else f" for {_span(at - place.since)}"
    return f"runs on {place.worker_id}{since}{f', which is {place.doing}' if place.doing else ''}"


def _describe_delayed(place: Delayed, at: float) -> str:
    when = "for its time" if place.until is None else f"for {_span(place.until - at)}"
    if not place.retries:
        return f"waits {when}, as it was sent with a delay"
    return f"waits {when} to be tried again, after failure {place.retries}: {place.reason or 'no reason is told'}"


def estimate_wait(place: Place, capacity: Capacity) -> Estimate:
    """Tasks ahead times measured seconds for each, shared by the workers that take tasks."""
    if not isinstance(place, Waiting):
        return NO_ESTIMATE
    if place.is_paused:
        return Estimate(basis="its lane is paused until an operator resumes it")
    workers, seconds_per_task = capacity.workers, capacity.seconds_per_task
    if not workers:
        return Estimate(basis="no worker with a device takes tasks")
    if seconds_per_task is None:
        return Estimate(basis="too few tasks of its model have been measured of late")
    factors = f"{place.ahead:,} ahead, {seconds_per_task:.3g} s each, shared by {workers}"
    return Estimate(
        seconds=capacity.wait_seconds(place.ahead),
        basis=f"{factors} worker{'' if workers == 1 else 's'}; other models' tasks and loading are not counted",
    )


def _span(seconds: float) -> str:
    seconds = max(0.0, seconds)
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"
