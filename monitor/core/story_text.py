"""A task's story as text: where it is, its timeline, how it was run, what the workers say."""

from collections.abc import Iterator
from datetime import datetime

from monitor.core.explanation_text import explanation_text
from monitor.core.formatting import format_count, printable
from monitor.core.task_stories import Outcome, TaskStory
from monitor.core.timeline import timeline_lines
from settings.explanation import Running


def story_text(story: TaskStory) -> str:
    """What `--explain` prints, with the timeline before the workers."""
    head, gap, workers = explanation_text(story.explanation).partition("\n\n")
    lines = [head, "", f"Timeline  as of {_clock(story.explanation.at, 0.0)}", *_timeline(story)]
    return "\n".join(lines) + gap + workers


def _timeline(story: TaskStory) -> Iterator[str]:
    now = story.explanation.at
    if story.sent_at is not None:
        yield f"  sent      {_clock(story.sent_at, now)} by its sender's clock"
    found = list(timeline_lines(story))
    yield from found or ["  nothing tells of its time"]
    if story.ended_at is not None:
        yield f"  ended     about {_clock(story.ended_at, now)}"
    reasons = story.outcome.retry_reasons if story.outcome else story.retry_reasons
    yield from (printable(f"  try {number + 1}     failed: {reason}") for number, reason in enumerate(reasons))
    yield from _deliveries(story)
    if story.outcome:
        yield from _how(story.outcome)


def _deliveries(story: TaskStory) -> Iterator[str]:
    is_running = isinstance(story.explanation.place, Running)
    for index, delivery in enumerate(story.deliveries):
        is_last = index == len(story.deliveries) - 1
        end = "" if is_running and is_last else ", which did not end it"
        when = _clock(delivery.at, story.explanation.at)
        yield printable(f"  given to  {delivery.worker_id} on {delivery.device} at {when}{end}")


def _how(outcome: Outcome) -> Iterator[str]:
    yield printable(f"  run by    {outcome.worker_id} on {outcome.device}, try {outcome.attempts}")
    yield printable(f"  with      {outcome.model}@{outcome.revision[:12]} in {outcome.dtype}")
    tokens = f"{format_count(outcome.input_tokens)} tokens in, {format_count(outcome.output_tokens)} out"
    yield printable(f"  batch     of {format_count(outcome.batch_size)}, {tokens}")


def _clock(at: float, now: float) -> str:
    """The time of day, with the date where that is another than now's."""
    try:
        then, today = (datetime.fromtimestamp(time).astimezone() for time in (at, now))
        return f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # what a broken record may say
        return "an unknown time"
