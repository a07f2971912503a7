"""Whether a task may join its lane: a full one refuses, and so does one too long for the task's timeout.

Asked by the clients before they enqueue. What plain Dramatiq sends, and what workers put back, is never refused.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import redis
from dramatiq import Message

from actors.errors import CallerError, QueueFull, WouldMissDeadline
from actors.queueing.deadlines import seconds_left
from actors.queueing.lanes import lanes_ahead
from settings.capacity import Capacity, CapacityReader

#: The least that a refused sender is told to wait, also when nothing is known of how fast its lane is drained.
LEAST_RETRY_SECONDS = 1.0

#: A refused sender is told to come again when about this share of what is ahead has been worked off.
RETRY_SHARE = 0.1

#: A lane that is filled to less than this share is not looked at again for a moment, unless a timeout is to be kept.
ROOMY_SHARE = 0.5
REUSE_SECONDS = 1.0

#: The most looks that are kept: senders may ask for any number of models that do not exist.
MOST_LOOKS = 1_000


@dataclass(frozen=True)
class _Look:
    """What was read of a lane, and when by `time.monotonic`."""

    capacity: Capacity
    at: float


class Admission:
    """Looks at the lanes that messages are to join. Safe to share between threads."""

    def __init__(self, client: redis.Redis, max_depth: int) -> None:
        self._reader, self._max_depth = CapacityReader(client), max_depth
        self._looks: dict[tuple[str, ...], _Look] = {}

    def refusals(self, messages: Sequence[Message[Any]], now: float) -> list[CallerError | None]:
        """Why each message may not be enqueued, None for one that may; `now` is the time since the epoch.

        One round trip for each model and priority among them. A refusal is `QueueFull` when the lane has
        MAX_QUEUE_DEPTH tasks, those before it in `messages` among them, or `WouldMissDeadline` when the message's
        deadline is expected to pass before its turn comes.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        began_at = time.monotonic()
        if len(self._looks) > MOST_LOOKS:
            self._looks.clear()
        return [self._refusal(message, now, began_at) for message in messages]

    def _refusal(self, message: Message[Any], now: float, began_at: float) -> CallerError | None:
        lanes, seconds_of_use = tuple(lanes_ahead(message)), seconds_left(message.options, now)
        if not lanes or (not self._max_depth and seconds_of_use == math.inf):
            return None
        look = self._looks.get(lanes)
        if look is None or not self._holds(look, seconds_of_use, began_at):
            look = _Look(self._reader.read(message.kwargs["model"], lanes), time.monotonic())
        refusal = judge(lanes[-1], look.capacity, self._max_depth, seconds_of_use)
        self._looks[lanes] = look if refusal else replace(look, capacity=look.capacity.with_one_more())
        return refusal

    def _holds(self, look: _Look, seconds_of_use: float, began_at: float) -> bool:
        """Whether an earlier look, its own tasks since then counted in, is good enough for one more task."""
        if look.at >= began_at:
            return True
        has_room = look.capacity.depths[-1] < self._max_depth * ROOMY_SHARE
        return has_room and seconds_of_use == math.inf and began_at - look.at < REUSE_SECONDS


def judge(lane: str, capacity: Capacity, max_depth: int, seconds_of_use: float) -> CallerError | None:
    """Why a task may not join `lane`; the last of the depths is the lane's, those before it are of what goes first."""
    ahead, depth = sum(capacity.depths), capacity.depths[-1]
    wait = capacity.wait_seconds(ahead)
    if max_depth and depth >= max_depth:
        retry_after = max(LEAST_RETRY_SECONDS, (wait or 0.0) * RETRY_SHARE)
        return QueueFull(
            f"{depth:,} tasks wait in {lane}, and MAX_QUEUE_DEPTH is {max_depth:,}; try again in {retry_after:.1f} s",
            retry_after,
        )
    if ahead and wait is not None and wait > seconds_of_use:
        return WouldMissDeadline(
            f"a wait of {wait:,.1f} s in {lane} is expected (tasks ahead: {ahead:,}, seconds for each:"
            f" {capacity.seconds_per_task:,.4f}, workers that share them: {capacity.workers}); its result is of use for"
            f" {seconds_of_use:,.1f} s only"
        )
    return None
