"""Daemon threads for calls that may never return: a process can end without them."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

Call = Callable[[], None]


class Crew:
    """Runs calls in the order in which they come, some at a time. A call raises nothing."""

    def __init__(self, size: int, name: str) -> None:
        self._size, self._calls = size, SimpleQueue[Call | None]()
        for number in range(size):
            threading.Thread(target=self._work, name=f"{name}_{number}", daemon=True).start()

    def submit(self, call: Call) -> None:
        """Has a call run by the next thread that is free."""
        self._calls.put(call)

    def stop(self) -> None:
        """Drops what has not begun, and waits for nothing."""
        try:
            while True:
                self._calls.get_nowait()
        except Empty:
            for _ in range(self._size):
                self._calls.put(None)

    def _work(self) -> None:
        while call := self._calls.get():
            call()
