"""What has happened, as the difference between each reading and the one before: it costs Redis nothing."""

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import replace

from monitor.core.event import Event, EventKind
from monitor.core.formatting import format_count
from monitor.core.snapshot import Beat, Changes, LaneView, Snapshot

#: So many of each kind are kept, so that many loads do not push a lost worker out.
MOST_OF_A_KIND = 20

#: Of these the latest of a worker alone is kept: one that swaps two models in turns would push all others out.
_LATEST_ALONE: tuple[EventKind, ...] = ("loaded", "unloaded")

#: So many of a kind in one reading are told one by one; more are one event.
MOST_AT_ONCE = 3


class EventLog:
    """Watches the readings of one cluster, in order; what was there at the first look is no event."""

    def __init__(self) -> None:
        self._kept: dict[EventKind, deque[Event]] = defaultdict(lambda: deque(maxlen=MOST_OF_A_KIND))
        self._told: tuple[Event, ...] = ()
        self._is_first = True
        self._dead: dict[str, int] = {}

    def observe(self, snapshot: Snapshot, changes: Changes) -> tuple[Event, ...]:
        """Takes a reading in; the latest events, the newest first."""
        is_first, self._is_first = self._is_first, False
        dead_before, self._dead = self._dead, {lane.name: lane.dead for lane in snapshot.lanes if lane.dead}
        if not is_first:
            found = [*_of_workers(changes), *_of_lanes(dead_before, snapshot.lanes)]
            self._keep(found, snapshot.at or 0.0)
        return self._told

    def _keep(self, found: list[tuple[EventKind, str, str]], at: float) -> None:
        by_kind: dict[EventKind, list[Event]] = defaultdict(list)
        for kind, about, more in found:
            by_kind[kind].append(Event(at, kind, about, more))
        for kind, events in by_kind.items():
            if kind in _LATEST_ALONE:
                self._forget(kind, {event.more for event in events})
            self._kept[kind].extend(events if len(events) <= MOST_AT_ONCE else [_folded(events)])
        if found:
            every = (event for kept in self._kept.values() for event in reversed(kept))
            self._told = tuple(sorted(every, key=lambda event: -event.at))

    def _forget(self, kind: EventKind, workers: set[str]) -> None:
        kept = [event for event in self._kept[kind] if event.more not in workers]
        self._kept[kind] = deque(kept, maxlen=MOST_OF_A_KIND)


def _folded(events: list[Event]) -> Event:
    first, names = events[0], [*dict.fromkeys(event.about for event in events)]
    if len(names) == 1:  # a model that many workers have loaded
        return replace(first, more=_some([event.more for event in events]))
    return Event(first.at, first.kind, _some(names))


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:2])
    return f"{shown} and {format_count(len(names) - 2)} more" if len(names) > 2 else shown


def _of_workers(changes: Changes) -> Iterator[tuple[EventKind, str, str]]:
    for before, worker in changes.pairs:
        if before is None:
            yield "came", worker.worker_id, worker.record.host if worker.record else ""
        elif worker.liveness != before.liveness:
            yield "back" if worker.liveness == "live" else worker.liveness, worker.worker_id, ""
    for beat in changes.beats:
        if (is_in := beat.now.state == "quarantined") != (beat.before.state == "quarantined"):
            yield "quarantine" if is_in else "released", beat.worker_id, ""
        if beat.has_other_models:
            yield from _of_models(beat)
    for worker in changes.left:
        # A lost one goes from the list when it has been lost for long: that is no news.
        if worker.liveness != "lost":
            yield "left", worker.worker_id, ""


def _of_models(beat: Beat) -> Iterator[tuple[EventKind, str, str]]:
    known, held = ({(model.model, model.loaded_at) for model in each.models} for each in (beat.before, beat.now))
    yield from (("unloaded", model, beat.worker_id) for model, _ in sorted(known - held))
    yield from (("loaded", model, beat.worker_id) for model, _ in sorted(held - known))


def _of_lanes(before: dict[str, int], now: tuple[LaneView, ...]) -> Iterator[tuple[EventKind, str, str]]:
    for lane in now:
        if (count := lane.dead - before.get(lane.name, 0)) > 0:
            yield "dead", lane.name, "1 dead letter" if count == 1 else f"{format_count(count)} dead letters"
