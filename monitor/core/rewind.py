"""The readings of the last ten minutes, packed, to step back through."""

import io
import pickle
import zlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from pydantic import TypeAdapter

from monitor.core.changes import ChangeWatch
from monitor.core.snapshot import Liveness, Snapshot, WorkerView
from settings.records import WorkerRecord, readable_worker

#: So long is remembered, unless it takes more memory than this.
REMEMBERED_SECONDS, MOST_BYTES = 600.0, 32 * 2**20

#: Readings that come sooner after the one before are not remembered.
LEAST_SECONDS = 0.9

#: The first of so many readings is kept whole; the others hold the workers that changed.
CHAPTER = 20

#: So many workers are packed together.
WORKERS_AT_ONCE = 50

#: Plain dicts take less than half of the time to pickle that dataclasses and records take.
_PLAIN = TypeAdapter(Snapshot)

#: What a worker is packed as: id, liveness, time of the beat, offset of the clock, and the record as text or a dict.
_Packed = tuple[str, Liveness, float, float | None, bytes | dict[str, Any] | None]


@dataclass(frozen=True)
class _Page:
    at: float
    packed: bytes
    gone: tuple[str, ...] = ()
    """Workers that the page before has."""


@dataclass
class _Chapter:
    pages: list[_Page] = field(default_factory=list)
    size: int = 0


class Rewind:
    """Remembers readings in order, and gives any of them back."""

    def __init__(self) -> None:
        self._chapters: deque[_Chapter] = deque()
        self._changes = ChangeWatch()
        self._size = 0

    def __len__(self) -> int:
        return sum(len(chapter.pages) for chapter in self._chapters)

    def remember(self, snapshot: Snapshot) -> None:
        """Takes a reading in; one with an error tells nothing new."""
        if snapshot.at is None or snapshot.error or self._is_soon(snapshot.at):
            return
        if not self._chapters or len(self._chapters[-1].pages) == CHAPTER:
            self._chapters.append(_Chapter())
            self._changes = ChangeWatch()
        self._add(snapshot, snapshot.at)
        self._forget(snapshot.at)

    def times(self) -> tuple[float, ...]:
        """When each that is remembered was taken, by Redis' clock."""
        return tuple(page.at for chapter in self._chapters for page in chapter.pages)

    def recall(self, index: int) -> Snapshot | None:
        """The reading with this place in `times`, None when there is none."""
        for chapter in self._chapters:
            if index < len(chapter.pages):
                return _read_chapter(chapter.pages[: index + 1])
            index -= len(chapter.pages)
        return None

    def _is_soon(self, at: float) -> bool:
        return bool(self._chapters) and at - self._chapters[-1].pages[-1].at < LEAST_SECONDS

    def _add(self, snapshot: Snapshot, at: float) -> None:
        changes = self._changes.compare(snapshot)
        # Sources whose workers have no text make equal ones anew at each reading.
        packed = _pack(snapshot, (now for before, now in changes.pairs if now.text or before != now))
        chapter = self._chapters[-1]
        chapter.pages.append(_Page(at, packed, tuple(worker.worker_id for worker in changes.left)))
        chapter.size += len(packed)
        self._size += len(packed)

    def _forget(self, now: float) -> None:
        """Drops whole chapters, the oldest first; the one that is being written stays."""
        while len(self._chapters) > 1 and (
            self._size > MOST_BYTES or now - self._chapters[1].pages[0].at > REMEMBERED_SECONDS
        ):
            self._size -= self._chapters.popleft().size


def _pack(snapshot: Snapshot, workers: Iterable[WorkerView]) -> bytes:
    """Some workers at a time: thousands together would take tens of megabytes from the system at each reading."""
    packer, packed = zlib.compressobj(level=1), map(_pack_worker, workers)
    pieces = [packer.compress(pickle.dumps(_PLAIN.dump_python(replace(snapshot, workers=()))))]
    while some := [*islice(packed, WORKERS_AT_ONCE)]:
        pieces.append(packer.compress(pickle.dumps(some)))
    return b"".join([*pieces, packer.flush()])


def _pack_worker(worker: WorkerView) -> _Packed:
    """To write a record anew takes ten times as long as to keep its text."""
    record = worker.text if worker.text is not None or worker.record is None else worker.record.model_dump()
    return worker.worker_id, worker.liveness, worker.beat_at, worker.clock_offset_seconds, record


def _unpack_worker(packed: _Packed) -> WorkerView:
    worker_id, liveness, beat_at, offset, told = packed
    if isinstance(told, bytes):
        return WorkerView(worker_id, liveness, beat_at, readable_worker(told), offset, told)
    return WorkerView(worker_id, liveness, beat_at, None if told is None else WorkerRecord.model_validate(told), offset)


def _unpack(packed: bytes) -> tuple[dict[str, Any], list[_Packed]]:
    """The reading, and those of its workers that were packed with it."""
    unpacked = zlib.decompress(packed)
    file = io.BytesIO(unpacked)
    snapshot, workers = pickle.load(file), []
    while file.tell() < len(unpacked):
        workers += pickle.load(file)
    return snapshot, workers


def _read_chapter(pages: list[_Page]) -> Snapshot:
    workers: dict[str, _Packed] = {}
    plain: dict[str, Any] = {}
    for page in pages:
        plain, changed = _unpack(page.packed)
        for gone in page.gone:
            workers.pop(gone, None)
        workers |= {packed[0]: packed for packed in changed}
    return replace(_PLAIN.validate_python(plain), workers=tuple(map(_unpack_worker, workers.values())))
