"""Which of the tasks in this process's hands their callers have cancelled."""

import threading
from collections.abc import Callable, Iterable

import redis

from actors.queueing.listener import Listener
from settings import keys


class TaskInHand:
    """A task between its claim and its end."""

    def __init__(self, message_id: str) -> None:
        self.message_id, self.is_cancelled = message_id, False
        self._tell: Callable[[], None] = lambda: None

    def cancel(self) -> None:
        """The caller has cancelled it; called by the listener."""
        self.is_cancelled = True  # first: `when_cancelled` looks after it has said whom to tell
        self._tell()

    def when_cancelled(self, tell: Callable[[], None]) -> None:
        """Calls `tell` from any thread once it is cancelled, which may be now, and perhaps twice."""
        self._tell = tell
        if self.is_cancelled:
            tell()


class Cancellations:
    """Hears of cancelled tasks on one connection a process; `add` and `discard` may be called from any thread."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._in_hand: set[TaskInHand] = set()
        self._mutex = threading.Lock()
        self._listener = Listener(client, keys.CANCELS, self._hear, self._look_for_missed)

    def start(self) -> None:
        """Begins to listen."""
        self._listener.start()

    def stop(self) -> None:
        """Ends the listener, if it was started."""
        self._listener.stop()

    def add(self, tasks: Iterable[TaskInHand]) -> None:
        """Listens for tasks; what was cancelled before has to be looked for after this."""
        with self._mutex:
            self._in_hand.update(tasks)

    def discard(self, tasks: Iterable[TaskInHand]) -> None:
        """Listens for them no more."""
        with self._mutex:
            self._in_hand.difference_update(tasks)

    def look_again(self) -> None:
        """Has the listener look, as soon as Redis answers, for what was cancelled before `add`."""
        self._listener.catch_up_again()

    def _hear(self, _: str, message_id: bytes) -> None:
        self._cancel({message_id.decode(errors="replace")})

    def _look_for_missed(self) -> None:
        message_ids = [task.message_id for task in self._tasks()]
        with self._client.pipeline(transaction=False) as pipe:
            for message_id in message_ids:
                pipe.exists(keys.cancelled(message_id))
            found = pipe.execute()
        self._cancel({message_id for message_id, is_there in zip(message_ids, found, strict=True) if is_there})

    def _cancel(self, message_ids: set[str]) -> None:
        for task in self._tasks():
            if task.message_id in message_ids:
                task.cancel()

    def _tasks(self) -> list[TaskInHand]:
        with self._mutex:
            return list(self._in_hand)
