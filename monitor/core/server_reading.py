"""Reading what Redis says of itself, while somebody looks at it."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from monitor.core.key_census import KeyCensus
from monitor.core.server_view import ServerView, parse_server

#: The readings that a trend shows.
TREND = 60


class ServerReading:
    """Follows a server from reading to reading."""

    def __init__(self) -> None:
        self._census = KeyCensus()
        self._commands: deque[float] = deque(maxlen=TREND)
        self._answers: deque[float] = deque(maxlen=TREND)
        self._view = ServerView()

    def ask(self, pipe: Any) -> None:
        """Adds the questions of the first round trip."""
        pipe.info()
        pipe.info("latencystats")
        self._census.ask_keys(pipe)

    def take(self, answers: Sequence[Any], now: float, answer_seconds: float) -> None:
        """Takes the answers in; what was refused counts as not told."""
        info, latency, scanned = (None if isinstance(answer, Exception) else answer for answer in answers)
        view = parse_server(_mapping(info), _mapping(latency), now)
        self._commands.append(float(view.commands_per_second or 0))
        self._answers.append(1000 * answer_seconds)
        self._census.take_keys(scanned)
        self._view = replace(view, answer_ms=1000 * answer_seconds)

    def ask_more(self, pipe: Any) -> None:
        """Adds the questions of the second round trip."""
        self._census.ask_sizes(pipe)

    def read(self, answers: Sequence[Any], database: str) -> ServerView:
        """The server as it is now; `database` is the name of the one whose keys are counted."""
        self._census.take_sizes(answers)
        there = next((count for name, count, _ in self._view.databases if name == database), None)
        return replace(
            self._view,
            commands_trend=tuple(self._commands),
            answer_trend=tuple(self._answers),
            kinds=self._census.kinds(),
            counted_percent=self._census.counted_percent(there),
        )


def _mapping(answer: Any) -> Mapping[str, Any]:
    return answer if isinstance(answer, Mapping) else {}
