"""Whether a task may join its lane: a full one refuses, and so does one too long for the task's timeout.

Asked by the clients as they enqueue. What plain Dramatiq sends, and what workers put back, is never refused.
"""

import math
from collections.abc import Sequence
from typing import Any

import redis
from dramatiq import Message

from actors.errors import CallerError, QueueFull, WouldMissDeadline
from actors.queueing.commands import call
from actors.queueing.deadlines import seconds_left
from actors.queueing.exchange import Exchange
from actors.queueing.lanes import lanes_ahead
from settings.capacity import Capacity, CapacityReader, read_capacity

#: The least that a refused sender is told to wait, also when nothing is known of how fast its lane is drained.
LEAST_RETRY_SECONDS = 1.0

#: A refused sender is told to come again when about this share of what is ahead has been worked off.
RETRY_SHARE = 0.1


class Admission:
    """Looks at the lanes that messages are to join. Safe to share between threads.

    One that is to be done by a certain time is judged before it is sent. Whether a lane is full is for the send itself
    to find, which is exact whoever else sends, and costs no look.
    """

    def __init__(self, client: redis.Redis, max_depth: int) -> None:
        self._reader, self._max_depth = CapacityReader(client), max_depth

    def refusals(
        self, messages: Sequence[Message[Any]], now: float, *, of_all: bool = False
    ) -> Exchange[list[CallerError | None]]:
        """Why messages may not be enqueued that have deadlines, None for the others; `now` is since the epoch.

        With `of_all` the others are looked at too. One round trip, if there is anything to look at. A refusal is
        `WouldMissDeadline` when the deadline is expected to pass before its turn comes, those of its lane before it in
        `messages` counted in, or `QueueFull`.
        """
        seconds_of_use = [seconds_left(message.options, now) for message in messages]
        if not of_all and all(seconds == math.inf for seconds in seconds_of_use):
            return [None] * len(messages)
        lanes = [_lanes(message) for message in messages]
        models = {
            of_one: _model(message)
            for message, of_one, seconds in zip(messages, lanes, seconds_of_use, strict=True)
            if of_all or seconds < math.inf
        }
        known = yield from self._look(models)
        refusals: list[CallerError | None] = []
        for of_one, seconds in zip(lanes, seconds_of_use, strict=True):
            capacity = known.get(of_one)
            refusals.append(judge(of_one[-1], capacity, self._max_depth, seconds) if capacity else None)
            if capacity and not refusals[-1]:
                known[of_one] = capacity.with_one_more()
        return refusals

    def refusals_of_full(self, messages: Sequence[Message[Any]]) -> Exchange[list[QueueFull]]:
        """What the senders of messages are told whose lanes were full as they were to be enqueued."""
        lanes = [_lanes(message) for message in messages]
        models = {of_one: _model(message) for of_one, message in zip(lanes, messages, strict=True)}
        try:
            known = yield from self._look(models)
        except (redis.RedisError, OSError):  # that others of them were enqueued is known, and has to be told
            known = dict.fromkeys(lanes, Capacity(0, None, (0,)))
        return [queue_full(of_one[-1], known[of_one], self._max_depth) for of_one in lanes]

    def _look(self, models: dict[tuple[str, ...], str]) -> Exchange[dict[tuple[str, ...], Capacity]]:
        """What is known of each of some groups of lanes, which belong to a model each."""
        if not models:
            return {}
        answers = yield [
            call(self._reader.script, *self._reader.words(model, lanes)) for lanes, model in models.items()
        ]
        return dict(zip(models, map(read_capacity, answers), strict=True))


def _lanes(message: Message[Any]) -> tuple[str, ...]:
    """The list that it is to join, behind those that go before it."""
    return lanes_ahead(message) or (message.queue_name,)


def _model(message: Message[Any]) -> str:
    return str(message.kwargs.get("model"))


def judge(lane: str, capacity: Capacity, max_depth: int, seconds_of_use: float) -> CallerError | None:
    """Why a task may not join `lane`; the last of the depths is the lane's, those before it are of what goes first."""
    ahead, depth = sum(capacity.depths), capacity.depths[-1]
    wait = capacity.wait_seconds(ahead)
    if max_depth and depth >= max_depth:
        return queue_full(lane, capacity, max_depth)
    if ahead and wait is not None and wait > seconds_of_use:
        return WouldMissDeadline(
            f"a wait of {wait:,.1f} s in {lane} is expected (tasks ahead: {ahead:,}, seconds for each:"
            f" {capacity.seconds_per_task:,.4f}, workers that share them: {capacity.workers}); its result is of use for"
            f" {seconds_of_use:,.1f} s only"
        )
    return None


def queue_full(lane: str, capacity: Capacity, max_depth: int) -> QueueFull:
    """Says when it is worth to try again."""
    wait = capacity.wait_seconds(sum(capacity.depths)) or 0.0
    retry_after = max(LEAST_RETRY_SECONDS, wait * RETRY_SHARE)
    text = f"{lane} is full: MAX_QUEUE_DEPTH is {max_depth:,}; try again in {retry_after:.1f} s"
    return QueueFull(text, retry_after)
