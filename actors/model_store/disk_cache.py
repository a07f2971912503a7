"""Downloaded models on this host's disk, shared by its processes: what is whole, what is in use, what has to go."""

import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from actors.errors import ModelTooLarge, StoreFull
from actors.model_store.reference import ModelReference
from actors.model_store.shared_folder import hub_revision

logger = logging.getLogger(__name__)

#: What is left free on the disk, for everything else that runs there.
SPARE_BYTES = 500_000_000

#: How long the others may take to change what is on the disk; removing a model is the longest of it.
CHANGE_SECONDS = 60.0


@dataclass(frozen=True)
class Snapshot:
    """One whole revision on the disk."""

    folder: Path
    size: int
    used_at: float

    @property
    def lease_folder(self) -> Path:
        """Where the processes that use it hold a lock each."""
        return self.folder.parent.parent / "leases" / self.folder.name


class DiskCache:
    """The Hub's cache layout with plain files, so that no links are needed: `models--org--name/snapshots/REVISION`.

    A snapshot is renamed into its place when it is whole and verified. A process that uses one holds a lock on a file
    of its own, which the operating system frees when the process ends, however it ends.
    """

    def __init__(self, root: Path, budget_bytes: int | None) -> None:
        self.root, self._budget_bytes = root, budget_bytes
        self._leases: dict[ModelReference, FileLock] = {}
        self._mutex = threading.Lock()

    def download_lock(self, reference: ModelReference) -> FileLock:
        """Held by the one process that downloads a revision; the others wait for it."""
        folder = self._folder(reference) / "downloads"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{reference.revision}.lock", thread_local=False)

    def download_folder(self, reference: ModelReference) -> Path:
        """Where a revision is gathered until it is whole."""
        folder = self._folder(reference) / "downloads" / str(reference.revision)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def named(self, reference: ModelReference) -> ModelReference | None:
        """The whole revision on the disk that a name meant when it was last asked for."""
        revision = hub_revision(self._folder(reference), reference.revision)
        return ModelReference(reference.name, revision) if revision else None

    def remember(self, reference: ModelReference, fixed: ModelReference) -> None:
        """Notes what a moving name means now."""
        named = self._folder(reference) / "refs" / (reference.revision or "main")
        if reference == fixed or not _lies_in(named, self._folder(reference) / "refs"):
            return
        named.parent.mkdir(parents=True, exist_ok=True)
        written = named.with_name(f"{named.name}.{uuid.uuid4().hex}")
        written.write_text(str(fixed.revision), encoding="utf-8")
        os.replace(written, named)

    @property
    def held(self) -> set[ModelReference]:
        """The revisions that this process keeps from being removed."""
        with self._mutex:
            return set(self._leases)

    def hold(self, reference: ModelReference) -> bool:
        """Keeps a revision from being removed until `let_go`; False when it is not on the disk."""
        with self._mutex, self._changing():
            return self._hold(reference)

    def publish(self, reference: ModelReference) -> None:
        """Moves a whole revision into its place, and holds it."""
        with self._mutex, self._changing():
            target = self._snapshot(reference)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.download_folder(reference).rename(target)
            self._promised(reference).unlink(missing_ok=True)
            self._hold(reference)

    def let_go(self, reference: ModelReference) -> None:
        """This process uses a revision no more."""
        with self._mutex:
            if lease := self._leases.pop(reference, None):
                lease.release()
                with suppress(OSError):
                    Path(lease.lock_file).unlink()

    def make_room(self, reference: ModelReference, size: int) -> None:
        """Removes what was not used for the longest time until a download of `size` bytes fits.

        The room is promised to it for as long as its `download_lock` is held.

        Raises:
          ModelTooLarge: When it does not fit alone.
          StoreFull: When what takes the room is in use, or is not a model.
        """
        if self._budget_bytes is not None and size > self._budget_bytes:
            raise ModelTooLarge(f"{reference} has {size:,} bytes, and MODEL_CACHE_GB allows {self._budget_bytes:,}")
        with self._mutex, self._changing():
            for leftover in self.root.glob("removed-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            idle = iter(sorted(self._idle(), key=lambda snapshot: snapshot.used_at))
            while lacking := self._lacking(reference, size):
                if (oldest := next(idle, None)) is None:
                    raise StoreFull(f"{reference} has {size:,} bytes, and in {self.root} {lacking}")
                self._remove(oldest)
            self._promised(reference).write_text(str(size), encoding="utf-8")

    def _lacking(self, reference: ModelReference, size: int) -> str | None:
        """Why there is no room now; None when there is."""
        here, coming = bytes_in(self.download_folder(reference)), self._coming_bytes(reference)
        free = shutil.disk_usage(self.root).free - coming
        if free < size - here + SPARE_BYTES:
            return f"{free:,} are free, of which {SPARE_BYTES:,} have to stay so; free some, or set MODEL_CACHE_PATH"
        used = sum(bytes_in(folder) for folder in self.root.glob("models--*/[sd]*/*")) - here + coming
        if self._budget_bytes is not None and used + size > self._budget_bytes:
            return f"{used:,} of MODEL_CACHE_GB's {self._budget_bytes:,} are in use; try again later, or raise it"
        return None

    def _coming_bytes(self, reference: ModelReference) -> int:
        """What was promised to other downloads that are under way, and is not here yet."""
        others = set(self.root.glob("models--*/downloads/*.promised")) - {self._promised(reference)}
        under_way = [promised for promised in others if not _is_free(promised.with_suffix(".lock"))]
        return sum(max(0, _number_in(promised) - bytes_in(promised.with_suffix(""))) for promised in under_way)

    def _idle(self) -> Iterator[Snapshot]:
        for folder in self.root.glob("models--*/snapshots/*"):
            snapshot = Snapshot(folder, bytes_in(folder), folder.stat().st_mtime)
            if not self._is_held(snapshot):
                yield snapshot
        for folder in self.root.glob("models--*/downloads/*"):
            # What is left of a download that nobody goes on with.
            if folder.is_dir() and _is_free(folder.with_name(folder.name + ".lock")):
                yield Snapshot(folder, bytes_in(folder), folder.stat().st_mtime)

    def _is_held(self, snapshot: Snapshot) -> bool:
        own = {Path(lease.lock_file) for lease in self._leases.values()}
        for lease in snapshot.lease_folder.glob("*.lock"):
            if lease in own or not _is_free(lease):
                return True
            with suppress(OSError):
                lease.unlink()  # its process has ended
        return False

    def _remove(self, snapshot: Snapshot) -> None:
        gone = self.root / f"removed-{uuid.uuid4().hex}"
        try:
            snapshot.folder.rename(gone)  # so that nobody finds half of it
        except OSError as error:  # Windows, while somebody reads it
            logger.warning("%s cannot be removed: %s", snapshot.folder, error)
            return
        shutil.rmtree(gone, ignore_errors=True)
        logger.info("Removed %s (%d bytes) to make room.", snapshot.folder, snapshot.size)

    def _hold(self, reference: ModelReference) -> bool:
        snapshot = self._snapshot(reference)
        if not snapshot.is_dir():
            return False
        now = time.time()
        os.utime(snapshot, (now, now))
        if reference not in self._leases:
            folder = Snapshot(snapshot, 0, 0).lease_folder
            folder.mkdir(parents=True, exist_ok=True)
            lease = FileLock(folder / f"{os.getpid()}-{uuid.uuid4().hex}.lock", thread_local=False)
            lease.acquire()
            self._leases[reference] = lease
        return True

    def _changing(self) -> FileLock:
        """One process at a time holds, publishes and removes."""
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / "changes.lock", timeout=CHANGE_SECONDS, thread_local=False)

    def _folder(self, reference: ModelReference) -> Path:
        return self.root / reference.hub_folder

    def _promised(self, reference: ModelReference) -> Path:
        """Beside a download's folder: how many bytes it will have."""
        return self._folder(reference) / "downloads" / f"{reference.revision}.promised"

    def _snapshot(self, reference: ModelReference) -> Path:
        return self._folder(reference) / "snapshots" / str(reference.revision)


def bytes_in(folder: Path) -> int:
    """What the files of a folder take."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # it may go at any time
            total += path.stat().st_size if path.is_file() else 0
    return total


def _number_in(file: Path) -> int:
    try:
        return int(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it went meanwhile, or a crash of this host has left half of it
        return 0


def _is_free(lock_file: Path) -> bool:
    try:
        with FileLock(lock_file, timeout=0, thread_local=False):
            return True
    except (Timeout, OSError):
        return False


def _lies_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
