"""How often models came into memory, left it, took another's place, and were used, of late."""

from collections import Counter, deque
from typing import Literal

from monitor.core.snapshot import Beat
from settings.records import ModelRecord, WorkerRecord

#: What is counted is that of the last ten minutes, forgotten a part at a time.
WINDOW_SECONDS, PART_SECONDS = 600.0, 10.0

Event = Literal["load", "unload", "swap", "use"]

#: Models in memory by what tells one stay of a model from the next: its name, its revision, and since when.
Stays = dict[tuple[str, str, float], ModelRecord]


class ModelHistory:
    """Compares the records of each worker, in order; the first sight of a worker counts for nothing."""

    def __init__(self) -> None:
        self._parts: deque[tuple[float, Counter[tuple[Event, str]]]] = deque()
        self._total: Counter[tuple[Event, str]] = Counter()
        self._began: float | None = None
        self._making_room: set[str] = set()

    def begin(self, now: float) -> None:
        """A reading has come; forgets what is older than the window."""
        if self._began is None:
            self._began = now
        while self._parts and now - self._parts[0][0] > WINDOW_SECONDS:
            self._total -= self._parts.popleft()[1]

    def compare(self, beat: Beat, now: float) -> None:
        """Counts what has changed between two records of one worker."""
        if beat.has_other_models:
            self._compare_stays(beat.before, beat.now, now)
            return
        for before, model in zip(beat.before.models, beat.now.models, strict=True):
            if model.uses > before.uses:
                self._note("use", [model], now, model.uses - before.uses)

    def counts(self, event: Event) -> dict[str, int]:
        """How often it happened to each model."""
        return {model: count for (kind, model), count in self._total.items() if kind == event}

    def watched_seconds(self, now: float) -> float:
        """How much of the last ten minutes was watched."""
        return 0.0 if self._began is None else min(WINDOW_SECONDS, now - self._began)

    def _compare_stays(self, before: WorkerRecord, record: WorkerRecord, now: float) -> None:
        known, held = _stays(before), _stays(record)
        self._note_moves(known, held, record, now)
        for place, model in held.items():
            uses = model.uses - (known[place].uses if place in known else 0)
            self._note("use", [model], now, max(0, uses))

    def _note_moves(self, known: Stays, held: Stays, record: WorkerRecord, now: float) -> None:
        left = [model for place, model in known.items() if place not in held]
        came = [model for place, model in held.items() if place not in known]
        self._note("unload", left, now)
        self._note("load", came, now)
        if left and (came or record.loading):
            self._making_room.add(record.worker_id)
        if came and record.worker_id in self._making_room:
            self._making_room.discard(record.worker_id)
            self._note("swap", came, now)

    def _note(self, event: Event, models: list[ModelRecord], now: float, times: int = 1) -> None:
        if not models or not times:
            return
        if not self._parts or now - self._parts[-1][0] > PART_SECONDS:
            self._parts.append((now, Counter()))
        for model in models:
            self._parts[-1][1][event, model.model] += times
            self._total[event, model.model] += times


def _stays(record: WorkerRecord) -> Stays:
    return {(model.model, model.revision, model.loaded_at): model for model in record.models}
