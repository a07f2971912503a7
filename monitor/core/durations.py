"""How long tasks wait and are in hand, as far as readings tell: they look every few seconds, not at each task."""

from collections import deque
from collections.abc import Iterable, Mapping

from monitor.core.snapshot import LaneView
from monitor.core.spread import Waits, spread_of

#: Durations of so long are kept.
WINDOW_SECONDS = 600.0

#: The lanes are looked at so often, and the percentiles told anew.
LOOK_SECONDS = 5.0

#: No more tasks than these are kept, the latest.
MOST_TASKS = 5_000


class Durations:
    """Collects ten minutes of them."""

    def __init__(self) -> None:
        self._tasks: deque[tuple[float, float]] = deque(maxlen=MOST_TASKS)
        self._lanes: dict[str, deque[tuple[float, float]]] = {}
        self._began_at: float | None = None
        self._looked_at = 0.0
        self._waits = Waits()

    def observe(self, lanes: Iterable[LaneView], tasks_seconds: Iterable[float], now: float) -> Waits:
        """Takes a reading in: the lanes, and for how long tasks that have gone were in hand."""
        self._tasks.extend((now, seconds) for seconds in tasks_seconds)
        if self._began_at is None or now - self._looked_at >= LOOK_SECONDS:
            self._began_at = now if self._began_at is None else self._began_at
            self._looked_at = now
            self._look(lanes, now)
            self._waits = self._told(min(now - self._began_at, WINDOW_SECONDS), now)
        return self._waits

    def _look(self, lanes: Iterable[LaneView], now: float) -> None:
        for lane in lanes:
            if lane.oldest_seconds is not None:
                self._lanes.setdefault(lane.name, deque()).append((now, lane.oldest_seconds))
        for kept in (self._tasks, *self._lanes.values()):
            while kept and now - kept[0][0] > WINDOW_SECONDS:
                kept.popleft()
        self._lanes = {name: kept for name, kept in self._lanes.items() if kept}

    def _told(self, seconds: float, now: float) -> Waits:
        by_lane: Mapping[str, list[float]] = {name: [wait for _, wait in kept] for name, kept in self._lanes.items()}
        spreads = {name: spread for name, waits in by_lane.items() if (spread := spread_of(waits, seconds))}
        together = spread_of([wait for waits in by_lane.values() for wait in waits], seconds)
        is_full = len(self._tasks) == MOST_TASKS
        in_hand = spread_of([held for _, held in self._tasks], now - self._tasks[0][0] if is_full else seconds)
        return Waits(together, spreads, in_hand)
