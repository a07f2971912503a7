"""A task's way as phases, and these as text with bars."""

from collections.abc import Iterator
from dataclasses import dataclass

from monitor.core.task_stories import TaskStory
from settings.explanation import Cancelled, DeadLetter, Delayed, Ended, Running, Waiting

#: Cells that the whole of a task's time takes.
BAR_CELLS = 30


@dataclass(frozen=True)
class Phase:
    """A part of a task's time, in seconds since it was sent, or since the first that is known."""

    name: str
    begin: float
    end: float
    goes_on: bool = False

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until now."""
        return max(0.0, self.end - self.begin)


def phases(story: TaskStory) -> tuple[Phase, ...]:
    """The phases of a task in their order; none where nothing is known of its time."""
    place, now = story.explanation.place, story.explanation.at
    sent_at = story.sent_at
    match place:
        case Running():
            return _of_running(story, place, now)
        case Waiting() if sent_at is None and place.age_seconds is not None:
            return (Phase("queued", 0.0, place.age_seconds, goes_on=True),)
        case Waiting() if sent_at is not None:
            return (Phase("queued", 0.0, max(0.0, now - sent_at), goes_on=True),)
        case Delayed() if sent_at is not None:
            return (Phase("delayed", 0.0, max(0.0, now - sent_at), goes_on=True),)
        case DeadLetter() if sent_at is not None:
            return (Phase("tried", 0.0, max(0.0, place.died_at - sent_at)),)
        case Ended() | Cancelled():
            return tuple(_of_ended(story))
    return ()


def timeline_lines(story: TaskStory) -> Iterator[str]:
    """A line a phase: when it began, how long it took, and a bar that shows both."""
    found = phases(story)
    whole = max((phase.end for phase in found), default=0.0)
    for phase in found:
        took = f"{_span(phase.seconds)}{'…' if phase.goes_on else ''}"
        yield f"  {phase.name:<9}{'+' + _span(phase.begin):>10}{took:>11}  {_bar(phase, whole)}".rstrip()


def _of_running(story: TaskStory, place: Running, now: float) -> tuple[Phase, ...]:
    claimed_at = story.deliveries[-1].at if story.deliveries else place.since
    since = place.since if place.since is not None else claimed_at
    if claimed_at is None or since is None:
        return () if story.sent_at is None else (Phase("queued", 0.0, max(0.0, now - story.sent_at), goes_on=True),)
    start = min(claimed_at, story.sent_at if story.sent_at is not None else claimed_at)
    claimed, begun = claimed_at - start, max(claimed_at, since) - start
    found = [Phase("queued", 0.0, claimed)] if story.sent_at is not None else []
    if story.deliveries:
        found.append(Phase("claimed", claimed, begun))
    name = "loading" if place.doing else "running"
    return *found, Phase(name, begun, max(begun, now - start), goes_on=True)


def _of_ended(story: TaskStory) -> Iterator[Phase]:
    if story.outcome is None:
        return
    timings, begin = story.outcome.timings, 0.0
    for name, milliseconds in (
        ("queued", timings.queued_ms),
        ("loading", timings.load_ms),
        ("batching", timings.batch_wait_ms),
        ("running", timings.compute_ms),
    ):
        if milliseconds or name in ("queued", "running"):
            yield Phase(name, begin, begin + milliseconds / 1000)
            begin += milliseconds / 1000


def _bar(phase: Phase, whole: float) -> str:
    if whole <= 0:
        return ""
    before = min(BAR_CELLS - 1, int(BAR_CELLS * phase.begin / whole))
    length = max(1, round(BAR_CELLS * phase.end / whole) - before)
    return " " * before + "█" * min(length, BAR_CELLS - before)


def _span(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:,.0f} s"
