"""Reading the lists of messages: how many there are of each kind, and how long the first has waited."""

from collections.abc import Collection, Sequence
from typing import Any

from monitor.core.snapshot import LaneView
from settings import keys
from settings.lane_names import LaneName
from settings.message_ids import sent_at
from settings.queue_counts import COMMANDS, ask_counts, read_counts
from settings.records import QueueCounts


def ask_lanes(pipe: Any, lists: Sequence[str]) -> None:
    """Adds to a pipeline what `read_lanes` and `read_queues` need to know of each list."""
    ask_counts(pipe, lists)
    for name in lists:
        pipe.lindex(keys.ready(name), 0)


def read_queues(queues: Sequence[str], lists: Sequence[str], answers: Sequence[Any]) -> tuple[QueueCounts, ...]:
    """The counts of each queue, its lanes included."""
    return read_counts(queues, lists, answers[: COMMANDS * len(lists)])


def read_lanes(
    lists: Sequence[str], answers: Sequence[Any], now: float, paused: Collection[str] = ()
) -> tuple[LaneView, ...]:
    """Each list by itself, those of one model together; `paused` has the names of lanes and queues."""
    heads = answers[COMMANDS * len(lists) :]
    lanes = (
        _lane(name, answers[COMMANDS * index : COMMANDS * (index + 1)], heads[index], now, paused)
        for index, name in enumerate(lists)
    )
    return tuple(sorted(lanes, key=lambda lane: (lane.queue, lane.model or "")))


def _lane(name: str, counts: Sequence[int], head: bytes | None, now: float, paused: Collection[str]) -> LaneView:
    ready, bodies, delayed, dead = counts
    at = sent_at(head.decode(errors="replace")) if head else None
    oldest = None if at is None else max(0.0, now - at)
    # A message that is taken between the two counts would make the difference negative.
    parts = LaneName.parse(name)
    is_paused = name in paused or parts.queue in paused
    return LaneView(name, *parts, ready, max(0, bodies - ready), delayed, dead, oldest, is_paused)
