"""What the open page reads besides what all pages show, in the same two round trips."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from monitor.core.listed_tasks import ListedTasks
from monitor.core.server_reading import ServerReading
from monitor.core.snapshot import Snapshot


class PageReading:
    """The readings of one page for as long as it is open; most pages have none."""

    def __init__(self, page: str) -> None:
        self.page = page
        self._tasks = ListedTasks() if page == "tasks" else None
        self._server = ServerReading() if page == "redis" else None
        self._answers: Sequence[Any] = ()

    def ask(self, pipe: Any) -> None:
        """Adds the page's questions to the first round trip."""
        if self._tasks:
            self._tasks.ask_bodies(pipe)
        if self._server:
            self._server.ask(pipe)

    def take(self, answers: Sequence[Any], now: float, answer_seconds: float) -> None:
        """Takes what the first round trip answered; an answer may be an error."""
        self._answers = answers
        if self._server:
            self._server.take(answers, now, answer_seconds)

    def ask_more(self, pipe: Any, lists: Sequence[str]) -> None:
        """Adds the page's questions to the second round trip."""
        if self._tasks:
            self._tasks.ask_heads(pipe, lists)
        if self._server:
            self._server.ask_more(pipe)

    def add_to(self, snapshot: Snapshot, answers: Sequence[Any], database: str) -> Snapshot:
        """The snapshot with what the page shows; `database` is what Redis calls the one that is read."""
        if self._tasks:
            return replace(snapshot, tasks=self._tasks.read(self._answers, answers))
        return replace(snapshot, server=self._server.read(answers, database)) if self._server else snapshot
