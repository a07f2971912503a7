"""Dramatiq's Redis broker with a doorbell and lanes."""

from collections.abc import Iterable
from typing import Any

from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import current_millis

from actors.queueing.consumer import WakingConsumer
from actors.queueing.doorbell import Doorbell
from actors.queueing.lane_consumer import LaneConsumer
from actors.queueing.lanes import lane_of, sortable_id
from settings import keys


class ClusterBroker(RedisBroker):
    """Puts each message into the lane of its model and priority, and rings.

    Knows which fetched messages this process still holds.
    """

    def __init__(self, *, swap_max_wait: float, **options: Any) -> None:
        super().__init__(**options)
        self.swap_max_wait = swap_max_wait
        self.doorbell = Doorbell(self.client)
        self._held_ids: dict[str, set[str]] = {}

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> WakingConsumer:
        kind = LaneConsumer if queue_name == keys.INFERENCE_QUEUE else WakingConsumer
        return kind(self, queue_name, prefetch, timeout)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        lane = lane_of(message) if message.queue_name == keys.INFERENCE_QUEUE and delay is None else None
        if lane is None:
            enqueued: Message[Any] = super().enqueue(message, delay=delay)
        else:
            enqueued = self._enqueue_in(lane, message)
        self.doorbell.ring(enqueued.queue_name)
        return enqueued

    def held_ids(self, queue_name: str) -> set[str]:
        """The Redis ids of a queue's messages that threads of this process hold; outlives a consumer."""
        return self._held_ids.setdefault(queue_name, set())

    def requeue_of(self, broker_id: str, queue_name: str, redis_ids: Iterable[bytes]) -> None:
        """Puts another process's messages back into their queue; what it has acknowledged meanwhile stays away."""
        # As `do_requeue`, which knows this process's own messages only; 0 is for no maintenance.
        options = (self.heartbeat_timeout, self.dead_message_ttl, 0, self._max_unpack_size())
        arguments = ["requeue", current_millis(), queue_name, broker_id, *options, *redis_ids]
        self.scripts["dispatch"](keys=[self.namespace], args=arguments)

    def _enqueue_in(self, lane: str, message: Message[Any]) -> Message[Any]:
        message = message.copy(options={"redis_message_id": sortable_id(), "lane": lane})
        self.emit_before("enqueue", message, None)
        self.client.sadd(keys.LANES, lane)  # first: a message in a lane that nobody knows would wait for ever
        self.do_enqueue(lane, message.options["redis_message_id"], message.encode())
        self.emit_after("enqueue", message, None)
        return message
