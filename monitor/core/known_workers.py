"""The workers' records as they were fetched last, so that only those that beat since are fetched again."""

from collections.abc import Iterable, Sequence

from monitor.core.snapshot import WorkerView, judge_liveness
from settings.records import RECORD_TTL_SECONDS, readable_worker

#: Seconds after its last beat for which a worker without a record is shown as lost; then it is history.
LOST_FOR_SECONDS = 3600.0


class _Known:
    """A worker as it was fetched: when it beat, and its record if it had one and it can be read."""

    __slots__ = ("beat", "exists", "name", "record")

    def __init__(self, name: str, beat: float, text: bytes | None) -> None:
        self.name, self.beat = name, beat
        self.exists, self.record = text is not None, readable_worker(text) if text is not None else None


class KnownWorkers:
    """Follows the sorted set of beats."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}

    def choose_stale(self, beats: Sequence[tuple[bytes, float]], now: float) -> list[bytes]:
        """Those whose record may not be what is known: they beat since, or it may have expired."""
        known = self._known
        return [
            worker_id
            for worker_id, beat in beats
            if (entry := known.get(worker_id)) is None
            or entry.beat != beat
            or (entry.exists and now - beat > RECORD_TTL_SECONDS)
        ]

    def update(
        self, beats: Sequence[tuple[bytes, float]], fetched: Iterable[tuple[bytes, bytes | None]], now: float
    ) -> tuple[WorkerView, ...]:
        """Takes in what was fetched; the workers that are there now, by their last beat."""
        texts, known = dict(fetched), self._known
        self._known = {
            worker_id: _Known(_text(worker_id), beat, texts[worker_id]) if worker_id in texts else known[worker_id]
            for worker_id, beat in beats
        }
        views = (_view(entry, now) for entry in self._known.values())
        return tuple(view for view in views if view.liveness != "lost" or view.age_seconds < LOST_FOR_SECONDS)


def _view(entry: _Known, now: float) -> WorkerView:
    age, record = max(0.0, now - entry.beat), entry.record
    offset = None if record is None else record.sent_at - entry.beat
    return WorkerView(entry.name, judge_liveness(age, entry.exists), age, record, offset)


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
