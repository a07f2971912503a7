"""Wakes the consumers of idle processes when a message arrives, in place of asking Redis again and again."""

import logging
import threading
import time

import redis

from settings import keys

logger = logging.getLogger(__name__)

#: Between two tries to listen again after the connection broke; polling goes on meanwhile.
RECONNECT_SECONDS = 1.0

#: How often the listener looks up from its socket.
LISTEN_SECONDS = 2.0


class Doorbell:
    """One listening connection a process, one event a queue.

    A ring that is lost costs a poll and nothing else, so rings need no acknowledgement.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._events: dict[str, threading.Event] = {}
        self._mutex = threading.Lock()
        self._listener: threading.Thread | None = None

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
                self._listener = threading.Thread(target=self._listen, name="doorbell", daemon=True)
                self._listener.start()
            return event

    def _listen(self) -> None:
        while True:
            try:
                self._listen_until_it_breaks()
            except (redis.RedisError, OSError) as error:
                logger.debug("The doorbell is out of order: %s", error)
                time.sleep(RECONNECT_SECONDS)

    def _listen_until_it_breaks(self) -> None:
        with self._client.pubsub(ignore_subscribe_messages=True) as bells:
            bells.psubscribe(keys.bell("*"))
            self._set_all()  # something may have arrived while nobody listened
            while True:
                ring = bells.get_message(timeout=LISTEN_SECONDS)
                if ring and (event := self._events.get(keys.queue_of_bell(ring["channel"].decode()))):
                    event.set()

    def _set_all(self) -> None:
        with self._mutex:
            for event in self._events.values():
                event.set()
