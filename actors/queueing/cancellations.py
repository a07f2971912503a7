"""Which of the tasks in this process's hands their callers have cancelled."""

import logging
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

import redis

from settings import keys

logger = logging.getLogger(__name__)

#: Between two tries to listen again after the connection broke.
RECONNECT_SECONDS = 1.0

#: How often the listener looks up from its socket: a process that ends waits for it.
LISTEN_SECONDS = 0.5


@dataclass(eq=False)
class TaskInHand:
    """A task between its claim and its end."""

    message_id: str
    cancelled: "Future[None]" = field(default_factory=Future)
    """Completed once, by the listener, when the caller cancels it."""


class Cancellations:
    """Hears of cancelled tasks on one connection a process; `add` and `discard` may be called from any thread."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._in_hand: set[TaskInHand] = set()
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._listener: threading.Thread | None = None

    def start(self) -> None:
        """Begins to listen."""
        self._listener = threading.Thread(target=self._listen, name="cancellations", daemon=True)
        self._listener.start()

    def stop(self) -> None:
        """Ends the listener, if there is one."""
        self._ended.set()
        if self._listener:
            self._listener.join()

    def add(self, tasks: Iterable[TaskInHand]) -> None:
        """Listens for tasks; what was cancelled before has to be looked for after this."""
        with self._mutex:
            self._in_hand.update(tasks)

    def discard(self, tasks: Iterable[TaskInHand]) -> None:
        """Listens for them no more."""
        with self._mutex:
            self._in_hand.difference_update(tasks)

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                self._listen_until_it_breaks()
            except (redis.RedisError, OSError) as error:
                logger.debug("Cancellations are not heard for now: %s", error)
                self._ended.wait(RECONNECT_SECONDS)

    def _listen_until_it_breaks(self) -> None:
        with self._client.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(keys.CANCELS)
            self._look_for_missed()  # something may have been cancelled while nobody listened
            while not self._ended.is_set():
                if announced := channel.get_message(timeout=LISTEN_SECONDS):
                    self._cancel({announced["data"].decode(errors="replace")})

    def _look_for_missed(self) -> None:
        message_ids = [task.message_id for task in self._tasks()]
        with self._client.pipeline(transaction=False) as pipe:
            for message_id in message_ids:
                pipe.exists(keys.cancelled(message_id))
            found = pipe.execute()
        self._cancel({message_id for message_id, is_there in zip(message_ids, found, strict=True) if is_there})

    def _cancel(self, message_ids: set[str]) -> None:
        for task in self._tasks():
            if task.message_id in message_ids and not task.cancelled.done():
                task.cancelled.set_result(None)

    def _tasks(self) -> list[TaskInHand]:
        with self._mutex:
            return list(self._in_hand)
