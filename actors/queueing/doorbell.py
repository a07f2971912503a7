"""Wakes the consumers of idle processes when a message arrives, in place of asking Redis again and again."""

import logging
import threading

import redis

from actors.queueing.listener import Listener
from settings import keys

logger = logging.getLogger(__name__)


class Doorbell:
    """One listening connection a process, one event a queue.

    A ring that is lost costs a poll and nothing else, so rings need no acknowledgement.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._events: dict[str, threading.Event] = {}
        self._mutex = threading.Lock()
        self._listener: Listener | None = None

    def ring(self, queue: str) -> None:
        """Tells every process that a message has arrived in a queue."""
        try:
            self._client.publish(keys.bell(queue), b"")
        except redis.RedisError as error:
            logger.debug("A ring for %s was lost, its consumers will poll: %s", queue, error)

    def event(self, queue: str) -> threading.Event:
        """Set when something arrives in `queue`. The first call starts to listen, so gateways never do."""
        with self._mutex:
            event = self._events.setdefault(queue, threading.Event())
            if self._listener is None:
                self._listener = Listener(self._client, keys.bell("*"), self._hear, self._set_all)
                self._listener.start()
            return event

    def _hear(self, channel: str, _: bytes) -> None:
        if event := self._events.get(keys.queue_of_bell(channel)):
            event.set()

    def _set_all(self) -> None:
        with self._mutex:
            for event in self._events.values():
                event.set()
