"""How many tasks a minute were done and failed, ten seconds by ten seconds."""

from collections import deque

#: A point of the trend is the rate of so long.
POINT_SECONDS = 10.0

#: Ten minutes of points.
MOST_POINTS = 60


class RateTrend:
    """Makes rates of totals that only grow."""

    def __init__(self) -> None:
        self._begun: tuple[float, int] | None = None
        self._points: deque[float] = deque(maxlen=MOST_POINTS)

    def observe(self, at: float, total: int) -> tuple[float, ...]:
        """Takes the total of a moment in; the rates a minute up to then, the newest at the end."""
        if self._begun is None:
            self._begun = at, total
        begun_at, begun = self._begun
        if (seconds := at - begun_at) >= POINT_SECONDS:
            self._points.append(60 * (total - begun) / seconds)
            self._begun = at, total
        return tuple(self._points)
