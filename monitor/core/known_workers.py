"""The workers as they were fetched last, so that only those that beat since are fetched again."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from monitor.core.snapshot import WorkerView, judge_liveness
from settings.records import RECORD_TTL_SECONDS, readable_worker

#: Seconds after its last beat for which a worker without a record is shown as lost; then it is history.
LOST_FOR_SECONDS = 3600.0

#: Ids and the times of their last beats, the oldest first, as Redis tells a sorted set.
Beats = Sequence[tuple[bytes, float]]


class KnownWorkers:
    """Follows the sorted set of beats."""

    def __init__(self) -> None:
        self._known: dict[bytes, WorkerView] = {}

    def choose_stale(self, beats: Beats, now: float) -> list[bytes]:
        """Those whose record may not be what is known: they beat since, or it may have expired."""
        known, expired_before = self._known, now - RECORD_TTL_SECONDS
        return [
            worker_id
            for worker_id, beat in beats
            if (view := known.get(worker_id)) is None
            or view.beat_at != beat
            or (beat < expired_before and view.liveness != "lost")
        ]

    def update(self, beats: Beats, fetched: Iterable[tuple[bytes, bytes | None]], now: float) -> tuple[WorkerView, ...]:
        """Takes in what was fetched; the workers that are there now, by their last beat."""
        texts, known = dict(fetched), self._known
        self._known = {
            worker_id: _view(worker_id, beat, texts[worker_id], now) if worker_id in texts else known[worker_id]
            for worker_id, beat in beats
        }
        self._note_late(beats, now)
        return tuple(
            view for view in self._known.values() if view.liveness != "lost" or now - view.beat_at < LOST_FOR_SECONDS
        )

    def _note_late(self, beats: Beats, now: float) -> None:
        for worker_id, beat in beats:
            if judge_liveness(now - beat, has_record=True) == "live":
                return
            if (view := self._known[worker_id]).liveness == "live":
                self._known[worker_id] = replace(view, liveness="late")


def _view(worker_id: bytes, beat: float, text: bytes | None, now: float) -> WorkerView:
    record = readable_worker(text) if text is not None else None
    offset = None if record is None else record.sent_at - beat
    liveness = judge_liveness(max(0.0, now - beat), has_record=text is not None)
    return WorkerView(worker_id.decode(errors="replace"), liveness, beat, record, offset, text)
