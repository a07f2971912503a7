"""Dramatiq's Redis broker with a doorbell."""

from typing import Any

from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from actors.queueing.consumer import WakingConsumer
from actors.queueing.doorbell import Doorbell
from settings import keys


class ClusterBroker(RedisBroker):
    """Rings after each enqueue, and knows which fetched messages this process still holds."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.doorbell = Doorbell(self.client)
        self._held_ids: dict[str, set[str]] = {}

    @property
    def consumer_class(self) -> type[WakingConsumer]:
        return WakingConsumer

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        enqueued: Message[Any] = super().enqueue(message, delay=delay)
        self.doorbell.ring(enqueued.queue_name)
        return enqueued

    def held_ids(self, queue_name: str) -> set[str]:
        """The Redis ids of a queue's messages that threads of this process hold; outlives a consumer."""
        return self._held_ids.setdefault(queue_name, set())

    def acks_key(self, queue_name: str) -> str:
        """Dramatiq's set of the messages that Redis has given to this process."""
        return keys.acks(self.broker_id, queue_name)
