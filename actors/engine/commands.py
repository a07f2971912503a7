"""What others want the device thread to do between two batches."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from actors.engine.model_cache import ModelCache
from actors.errors import ClusterError, DeviceLost

Answer = TypeVar("Answer")


class Commands:
    """Any thread puts them, the device thread alone runs them; each one's future is completed."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[ModelCache], Any], Future[Any]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, command: Callable[[ModelCache], Answer]) -> "Future[Answer]":
        """Appends a command and returns its future."""
        future: Future[Answer] = Future()
        self._waiting.append((command, future))
        return future

    def run(self, cache: ModelCache) -> None:
        """Runs what has come so far.

        Raises:
          DeviceLost: When one meets that, and anything that nobody foresaw; who waits for its answer gets it too.
        """
        while self._waiting:
            command, future = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(command(cache))
            except Exception as error:
                future.set_exception(error)
                if isinstance(error, DeviceLost) or not isinstance(error, ClusterError):
                    raise

    def fail(self, error: Exception) -> None:
        """Ends what has not been run."""
        while self._waiting:
            _, future = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
