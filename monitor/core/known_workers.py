"""The workers as they were fetched last, so that only those that beat since are fetched again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from monitor.core.snapshot import Changes, WorkerView, judge_liveness
from settings.records import RECORD_TTL_SECONDS, readable_worker

#: Seconds after its last beat for which a worker without a record is shown as lost; then it is history.
LOST_FOR_SECONDS = 3600.0

#: The times of the last beats by ids, the oldest first.
Beats = Mapping[bytes, float]


def read_beats(answer: Sequence[Any]) -> Beats:
    """Reads a sorted set with its scores: pairs by RESP3, and by RESP2 names and scores in turns."""
    if answer and isinstance(answer[0], bytes):
        return dict(zip(answer[::2], map(float, answer[1::2]), strict=True))
    return dict(answer)


class KnownWorkers:
    """Follows the sorted set of beats; what it does for each of thousands at each reading is kept small."""

    def __init__(self) -> None:
        self._known: dict[bytes, WorkerView] = {}
        self._beats: Beats = {}
        self._shown: dict[bytes, WorkerView] = {}
        self._told = Changes((), ())

    def choose_stale(self, beats: Beats, now: float) -> list[bytes]:
        """Those whose record may not be what is known: they beat since, or it may have expired."""
        before, known = self._beats, self._known
        beaten = [worker_id for worker_id, beat in beats.items() if before.get(worker_id) != beat]
        old = _before(now - RECORD_TTL_SECONDS, beats)
        expired = [worker_id for worker_id in old if worker_id in known and not self._is_lost(worker_id)]
        return [*dict.fromkeys(beaten + expired)]

    def update(self, beats: Beats, fetched: Iterable[tuple[bytes, bytes | None]], now: float) -> Changes:
        """Takes in what was fetched; the workers that are there now, by their last beat, and what has changed."""
        new = {worker_id: _view(worker_id, beats[worker_id], text, now) for worker_id, text in fetched}
        known = self._known | new
        self._known, self._beats = {worker_id: known[worker_id] for worker_id in beats}, beats
        late = self._note_late(beats, now)
        before, self._shown = self._shown, self._known.copy()
        for worker_id in filter(self._is_lost, _before(now - LOST_FOR_SECONDS, beats)):
            del self._shown[worker_id]
        self._told = self._compare(before, dict.fromkeys([*new, *late]))
        return self._told

    def _note_late(self, beats: Beats, now: float) -> list[bytes]:
        late = []
        for worker_id, beat in beats.items():
            if judge_liveness(now - beat, has_record=True) == "live":
                break
            if (view := self._known[worker_id]).liveness == "live":
                self._known[worker_id] = replace(view, liveness="late")
                late.append(worker_id)
        return late

    def _compare(self, before: Mapping[bytes, WorkerView], changed: Iterable[bytes]) -> Changes:
        shown = self._shown
        pairs = tuple((before.get(worker_id), shown[worker_id]) for worker_id in changed if worker_id in shown)
        left = tuple(view for worker_id, view in before.items() if worker_id not in shown)
        return Changes(self._told.now, tuple(shown.values()), pairs, left)

    def _is_lost(self, worker_id: bytes) -> bool:
        return self._known[worker_id].liveness == "lost"


def _before(time: float, beats: Beats) -> Iterator[bytes]:
    return takewhile(lambda worker_id: beats[worker_id] < time, beats)


def _view(worker_id: bytes, beat: float, text: bytes | None, now: float) -> WorkerView:
    record = readable_worker(text) if text is not None else None
    offset = None if record is None else record.sent_at - beat
    liveness = judge_liveness(max(0.0, now - beat), has_record=text is not None)
    return WorkerView(worker_id.decode(errors="replace"), liveness, beat, record, offset, text)
