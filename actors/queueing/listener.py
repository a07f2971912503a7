"""A thread that hears what is published on a channel, and listens again when its connection broke."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import redis

from actors.queueing.pulse import Pulse

logger = logging.getLogger(__name__)

#: Between two tries to listen again after the connection broke.
RECONNECT_SECONDS = 1.0

#: How often the listener looks up from its socket: a process that ends waits for it.
LISTEN_SECONDS = 0.5


class Listener:
    """One connection and one thread, until it is stopped or its process ends."""

    def __init__(
        self,
        client: redis.Redis,
        pattern: str,
        hear: Callable[[str, bytes], None],
        catch_up: Callable[[], None],
    ) -> None:
        """`hear` gets channel and content of each message; `catch_up` is called as listening begins and when asked."""
        self._client, self._pattern, self._hear, self._catch_up = client, pattern, hear, catch_up
        self._stopped, self._is_behind = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._listen, name=f"listener-{pattern}", daemon=True)

    def start(self) -> None:
        """Begins to listen."""
        self._thread.start()

    def catch_up_again(self) -> None:
        """Calls `catch_up` once more, in the listener's thread and within `LISTEN_SECONDS`."""
        self._is_behind.set()

    def stop(self) -> None:
        """Ends the thread, if it was started."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen_until_it_breaks()
            except (redis.RedisError, OSError) as error:
                logger.debug("Nothing is heard on %s for now: %s", self._pattern, error)
            except Exception:
                logger.exception("Nothing is heard on %s for now.", self._pattern)
            self._stopped.wait(RECONNECT_SECONDS)

    def _listen_until_it_breaks(self) -> None:
        with self._client.pubsub(ignore_subscribe_messages=True) as channels:
            channels.psubscribe(self._pattern)
            pulse = Pulse()
            self._is_behind.set()  # something may have been published while nobody listened
            while not self._stopped.is_set():
                if self._is_behind.is_set():
                    self._is_behind.clear()
                    self._call(self._catch_up)
                if message := channels.get_message(timeout=LISTEN_SECONDS):
                    pulse.heard()
                    self._pass_on(message)
                elif pulse.is_to_be_asked():
                    channels.ping()

    def _pass_on(self, message: dict[str, Any]) -> None:
        if message["type"] != "pong":
            # Anybody may publish anything.
            self._call(self._hear, message["channel"].decode(errors="replace"), message["data"])

    def _call(self, hook: Callable[..., None], *arguments: Any) -> None:
        """Goes on after what a hook raises, unless it is Redis that does not answer: nobody would hear any more."""
        try:
            hook(*arguments)
        except (redis.RedisError, OSError):
            raise
        except Exception:
            logger.exception("%s failed at what was published on %s.", hook, self._pattern)
