"""What the measuring program needs of a system, and where its Redis is."""

import os
from typing import Any, Protocol

#: Seconds after which a result that does not come fails the measurement.
RESULT_TIMEOUT_SECONDS = 60

#: The database with the queue, and the one with the results.
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
RESULTS_URL = REDIS_URL.removesuffix("/0") + "/1"


class Peer(Protocol):
    """A client of one system. Methods of a system without asyncio block instead of awaiting."""

    is_async: bool

    async def open(self) -> None:
        """Connects."""

    async def send(self) -> Any:
        """Sends one no-op task and returns what `fetch` needs."""

    async def fetch(self, sent: Any) -> int:
        """Waits for the task's result by the library's own way: the id of the process that ran it."""

    async def finished(self) -> int:
        """How many tasks have their result, as a number that only grows; costs Redis one short command."""
