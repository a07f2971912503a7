"""Takes messages out of Redis: woken by the doorbell, and leaving none behind when an answer is lost.

Dramatiq's own consumer sleeps up to a second between polls and after each full prefetch, and a message whose fetch was
answered into a broken connection stays with this process until it ends. Dramatiq's Lua script is used as it is.
"""

import heapq
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import redis
from dramatiq.broker import MessageProxy
from dramatiq.brokers.redis import _RedisConsumer
from dramatiq.common import compute_backoff
from dramatiq.errors import ConnectionClosed
from dramatiq.message import Message

from actors.queueing.stored_message import UnreadableMessage, read_message
from settings import keys

if TYPE_CHECKING:
    from actors.queueing.broker import ClusterBroker

DELAYED = ".DQ"

#: The attribute of a message that must not be acknowledged.
KEPT = "is_kept"


class WakingConsumer(_RedisConsumer):
    """The consumer of one queue in one process; its thread alone fetches, others ack and nack."""

    broker: "ClusterBroker"

    idle_look_ms = 5_000
    """The longest between two looks while nothing rings: what a lost ring costs."""

    def __init__(self, broker: "ClusterBroker", queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)
        self._arrival: threading.Event = broker.doorbell.event(queue_name)
        self._held = broker.held_ids(queue_name)
        self._given_twice: set[tuple[str, str]] = set()
        self._etas: list[int] = []
        self._next_look_at = 0.0
        if queue_name.endswith(DELAYED):
            self._held.clear()  # its thread has forgotten what it held in memory
        with _connection_errors():
            broker.announce()
            self._take_back_lost_answers()

    def ack(self, message: Any) -> None:
        self._settle(message)

    def nack(self, message: Any) -> None:
        message.fail()
        self._settle(message)

    def requeue(self, messages: Iterable[Any]) -> None:
        ids_by_list: dict[str, list[str]] = {}
        for message in messages:  # all, before Redis is asked: Dramatiq forgets a message as it hands it over
            ids_by_list.setdefault(self._list_of(message), []).append(_id(message))
            self._held.discard(_id(message))
        with _connection_errors():
            for list_name, ids in ids_by_list.items():
                self.broker.do_requeue(list_name, *ids)

    def __next__(self) -> MessageProxy | None:
        """The next message; None now and then, so that the thread that asks sees whether it is to end."""
        with _connection_errors():
            if not self.message_cache and not self._is_time_to_look():
                return None
            if not self.message_cache:
                self.message_cache = self._look()
            if message := self._next_fetched():
                self.misses = 0
                return message
            self.misses, backoff_ms = compute_backoff(self.misses, jitter=False, max_backoff=self.idle_look_ms)
            self._next_look_at = time.monotonic() + min(backoff_ms / 1000, self._seconds_to_next_eta())
            return None

    def _look(self) -> list[Message[Any]]:
        """What there is room for and something has rung for, or is found to wait."""
        if is_rung := self._arrival.is_set():
            self._arrival.clear()  # before the fetch, so that a ring during it is not lost
        self._return_what_was_given_twice()
        room = self.prefetch - self.outstanding_message_count
        return self._fetch(room) if room > 0 and (is_rung or self._has_arrivals()) else []

    def _is_time_to_look(self) -> bool:
        """Waits for a ring or for the next look, but no longer than Dramatiq's timeout."""
        left = self._next_look_at - time.monotonic()
        return left <= 0 or self._arrival.wait(min(left, self.timeout / 1000))

    def _has_arrivals(self) -> bool:
        """Whether a fetch is worth its commands although nothing has rung: plain Dramatiq sends without a ring."""
        return bool(self.broker.client.llen(keys.ready(self.queue_name)))

    def _fetch(self, room: int) -> list[Message[Any]]:
        """Takes up to `room` messages that wait; the place to choose among lists."""
        return self._fetch_from(self.queue_name, room)

    def _list_of(self, message: Any) -> str:
        """The list that a message came from."""
        own: str = self.queue_name
        return own

    def _lists(self) -> Iterable[str]:
        """Every list that this consumer takes from."""
        return [self.queue_name]

    def _fetch_from(self, list_name: str, room: int) -> list[Message[Any]]:
        return self._received(list_name, self.broker.do_fetch(list_name, room))

    def _received(self, list_name: str, bodies: Iterable[bytes | None]) -> list[Message[Any]]:
        """The messages that Redis gave to this process out of a list; None is one whose body is gone."""
        fetched, problems = [], []
        for body in bodies:
            try:
                if body is not None:
                    fetched.append(read_message(body, self.queue_name))
            except UnreadableMessage as problem:
                problems.append(problem)
        readable = set(map(_id, fetched))
        if problems:
            self._put_unreadable_away(list_name, readable, problems)
        twice = readable & self._held
        self._given_twice.update((list_name, redis_id) for redis_id in twice)
        self._held.update(readable)
        return [message for message in fetched if _id(message) not in twice]

    def _return_what_was_given_twice(self) -> None:
        """What was given away while a thread here runs it, and comes back, is not run beside itself.

        That thread's end settles it. If the end came too early for that, it is given back now, else nothing is.
        """
        for list_name, redis_id in [each for each in self._given_twice if each[1] not in self._held]:
            self.broker.do_requeue(list_name, redis_id)
            self._given_twice.discard((list_name, redis_id))

    def _put_unreadable_away(self, list_name: str, readable: set[str], problems: list[UnreadableMessage]) -> None:
        """Makes dead letters of what was given and is neither held nor readable, for it cannot say its id."""
        unreadable = self._given(list_name) - self._held - readable
        self.logger.error("%s of %r cannot be read and become dead letters: %s.", unreadable, list_name, problems)
        for redis_id in unreadable:
            self.broker.do_nack(list_name, redis_id)

    def _next_fetched(self) -> MessageProxy | None:
        if not self.message_cache:
            return None
        message = self.message_cache.pop(0)
        self.queued_message_ids.add(message.message_id)
        if isinstance(eta := message.options.get("eta"), int):
            heapq.heappush(self._etas, eta)
        return MessageProxy(message)

    def _seconds_to_next_eta(self) -> float:
        """Delayed messages are kept in memory by the thread that asks; it must look again when the first is due."""
        now = time.time() * 1000
        while self._etas and self._etas[0] <= now:
            heapq.heappop(self._etas)
        return (self._etas[0] - now) / 1000 if self._etas else float("inf")

    def _settle(self, message: Any) -> None:
        try:
            with _connection_errors():
                self.broker.settle([(self._list_of(message), message)])
        finally:
            self.queued_message_ids.discard(message.message_id)
        self._held.discard(_id(message))
        self._arrival.set()

    def _take_back_lost_answers(self) -> None:
        """Requeues what Redis gave to this process and no thread of it holds: the answer to that fetch was lost."""
        for list_name in self._lists():
            if lost := self._given(list_name) - self._held:
                self.logger.warning("Taking back %d message(s) of %r whose fetch was lost.", len(lost), list_name)
                self.broker.do_requeue(list_name, *lost)

    def _given(self, list_name: str) -> set[str]:
        """The ids of what Redis gave to this process out of a list, and has not been told the end of."""
        given = cast("set[bytes]", self.broker.client.smembers(keys.acks(self.broker.broker_id, list_name)))
        return {redis_id.decode() for redis_id in given}


@contextmanager
def keep_if_interrupted(message: Any) -> Iterator[None]:
    """A message that is to be replaced by another is acknowledged only if the block, which does so, ends well."""
    setattr(message, KEPT, True)
    yield
    setattr(message, KEPT, False)


@contextmanager
def _connection_errors() -> Iterator[None]:
    """Tells Dramatiq's threads that the connection is gone, so that they try again."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise ConnectionClosed(error) from None


def _id(message: Any) -> str:
    redis_id: str = message.options["redis_message_id"]
    return redis_id
