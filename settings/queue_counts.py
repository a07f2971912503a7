"""Counting the messages of queues, those in their lanes included."""

from collections.abc import Iterable, Sequence
from typing import Any

from settings import keys
from settings.records import QueueCounts

#: Commands that one list takes.
COMMANDS = 4


def ask_counts(pipe: Any, lists: Iterable[str]) -> None:
    """Adds to a pipeline what `read_counts` needs to know of each list."""
    for name in lists:
        pipe.llen(keys.ready(name))
        pipe.hlen(keys.bodies(name))
        pipe.hlen(keys.delayed_bodies(name))
        pipe.zcard(keys.dead(name))


def read_counts(queues: Sequence[str], lists: Sequence[str], answers: Sequence[int]) -> tuple[QueueCounts, ...]:
    """The counts of each queue: of its own list and of its lanes, `QUEUE.PRIORITY.MODEL`, together."""
    sums = {queue: [0, 0, 0, 0] for queue in queues}
    for index, name in enumerate(lists):
        ready, bodies, delayed, dead = answers[COMMANDS * index : COMMANDS * (index + 1)]
        queue = name if name in sums else name.partition(".")[0]
        # A message that is taken between the two counts would make the difference negative.
        counts = (ready, max(0, bodies - ready), delayed, dead)
        sums[queue] = [total + count for total, count in zip(sums.get(queue, [0] * 4), counts, strict=True)]
    return tuple(
        QueueCounts(queue=queue, ready=ready, running=running, delayed=delayed, dead=dead)
        for queue, (ready, running, delayed, dead) in sums.items()
    )
