"""What the open page reads besides what all pages show, in the same two round trips."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from monitor.core.listed_tasks import ListedTasks
from monitor.core.server_reading import ServerReading
from monitor.core.snapshot import Snapshot
from settings import keys
from settings.capacity import Capacity, ask_capacity, read_capacity
from settings.lane_names import LaneName


class PageReading:
    """The readings of one page for as long as it is open; most pages have none."""

    def __init__(self, page: str, about: str = "") -> None:
        self.page, self.about = page, about
        self._lane = LaneName.parse(about) if page == "lane" else None
        self._tasks = ListedTasks() if page in ("tasks", "lane") else None
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
        if self._lane:
            ask_capacity(pipe, self._lane.model or "")
        if self.page == "worker":
            pipe.hget(keys.FREE_WORKERS, self.about)
        if self._tasks:
            self._tasks.ask_heads(pipe, [name for name in lists if self._is_shown(LaneName.parse(name))])
        if self._server:
            self._server.ask_more(pipe)

    def add_to(self, snapshot: Snapshot, answers: Sequence[Any], database: str) -> Snapshot:
        """The snapshot with what the page shows; `database` is what Redis calls the one that is read."""
        if self._lane:
            told, *answers = answers
            capacity = _capacity(told)
            snapshot = replace(snapshot, capacities={self._lane.model or "": capacity} if capacity else {})
        if self.page == "worker" and (history := snapshot.histories.get(self.about)):
            return replace(snapshot, histories={self.about: replace(history, asked_at=_asked_at(answers[0]))})
        if self._tasks:
            return replace(snapshot, tasks=self._tasks.read(self._answers, answers))
        return replace(snapshot, server=self._server.read(answers, database)) if self._server else snapshot

    def _is_shown(self, lane: LaneName) -> bool:
        """All lanes on a page of all; of an open lane those of its model, and of a queue its own."""
        if (own := self._lane) is None:
            return True
        return lane.queue == own.queue and own.model in (None, lane.model)


def _capacity(answer: Any) -> Capacity | None:
    """None where it was refused, or is no number."""
    try:
        return read_capacity(answer) if isinstance(answer, list) else None
    except ValueError:
        return None


def _asked_at(answer: Any) -> float | None:
    """The time that a worker without tasks notes when it looks, and what it holds."""
    told = answer.partition(b"|")[0] if isinstance(answer, bytes) else b""
    return float(told) if told.isdigit() and len(told) < 12 else None
