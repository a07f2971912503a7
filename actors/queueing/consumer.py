"""Takes messages out of Redis: woken by the doorbell, and leaving none behind when an answer is lost.

Dramatiq's own consumer sleeps up to a second between polls and after each full prefetch, and a message whose fetch was
answered into a broken connection stays with this process until it ends. Dramatiq's Lua script is used as it is.
"""

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

import redis
from dramatiq.broker import MessageProxy
from dramatiq.brokers.redis import _RedisConsumer
from dramatiq.common import compute_backoff
from dramatiq.errors import ConnectionClosed
from dramatiq.message import Message

if TYPE_CHECKING:
    from actors.queueing.broker import ClusterBroker

DELAYED = ".DQ"


class WakingConsumer(_RedisConsumer):
    """The consumer of one queue in one process; its thread alone fetches, worker threads ack and nack."""

    broker: "ClusterBroker"

    def __init__(self, broker: "ClusterBroker", queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)
        self._arrival: threading.Event = broker.doorbell.event(queue_name)
        self._held = broker.held_ids(queue_name)
        if queue_name.endswith(DELAYED):
            self._held.clear()  # its thread has forgotten what it held in memory
        self._take_back_lost_answers()

    def ack(self, message: Any) -> None:
        self._settle(super().ack, message)

    def nack(self, message: Any) -> None:
        self._settle(super().nack, message)

    def requeue(self, messages: Iterable[Any]) -> None:
        returned = list(messages)
        super().requeue(returned)
        self._held.difference_update(_id(message) for message in returned)

    def __next__(self) -> MessageProxy | None:
        try:
            self._arrival.clear()  # before the fetch, so that a ring during it is not lost
            if not self.message_cache and (room := self.prefetch - self.outstanding_message_count) > 0:
                self.message_cache = self._fetch(room)
            if message := self._next_fetched():
                self.misses = 0
                return message
            self.misses, backoff_ms = compute_backoff(self.misses, max_backoff=self.timeout)
            self._arrival.wait(backoff_ms / 1000)
            return None
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise ConnectionClosed(error) from None

    def _fetch(self, room: int) -> list[bytes]:
        fetched = [body for body in self.broker.do_fetch(self.queue_name, room) if body is not None]
        self._held.update(_id(Message.decode(body)) for body in fetched)
        return fetched

    def _next_fetched(self) -> MessageProxy | None:
        if not self.message_cache:
            return None
        message = Message.decode(self.message_cache.pop(0))
        self.queued_message_ids.add(message.message_id)
        return MessageProxy(message)

    def _settle(self, settle: Callable[[Any], None], message: Any) -> None:
        try:
            settle(message)
        except redis.TimeoutError as error:
            raise ConnectionClosed(error) from None  # the worker tries again until Redis answers
        self._held.discard(_id(message))
        self._arrival.set()

    def _take_back_lost_answers(self) -> None:
        """Requeues what Redis gave to this process and no thread of it holds: the answer to that fetch was lost."""
        try:
            given = cast("set[bytes]", self.broker.client.smembers(self.broker.acks_key(self.queue_name)))
            lost = {redis_id.decode() for redis_id in given} - self._held
            if lost:
                self.logger.warning("Taking back %d message(s) of %r whose fetch was lost.", len(lost), self.queue_name)
                self.broker.do_requeue(self.queue_name, *lost)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise ConnectionClosed(error) from None


def _id(message: Any) -> str:
    redis_id: str = message.options["redis_message_id"]
    return redis_id
