"""Reads the files of the model that is probably needed next, so that the system has them in memory by then."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from actors.devices.host_memory import spare_host_bytes
from actors.errors import ClusterError
from actors.model_store.stored_model import StoredModel, weight_files

logger = logging.getLogger(__name__)

#: What was read is not read again for so long; the system may have given its memory to others by then.
REPEAT_SECONDS = 60.0

#: Between two pieces is looked whether to go on.
PIECE_BYTES = 4 * 2**20

#: The nicest that a thread can be to the others.
NICEST = 19


class Prefetch:
    """A thread of low priority that is told names and reads one model's weights at a time. It fails no task.

    `find` gives the model of a name if it is on this host, and `may_read` says whether reading it is of use and in
    nobody's way.
    """

    def __init__(
        self,
        find: Callable[[str], StoredModel | None],
        may_read: Callable[[StoredModel], bool],
        spare_bytes: Callable[[], int] = spare_host_bytes,
    ) -> None:
        self._find, self._may_read, self._spare_bytes = find, may_read, spare_bytes
        self._expected: str | None = None
        self._read_at: dict[str, float] = {}
        self._changed = threading.Condition()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def start(self) -> None:
        """Begins to wait for names."""
        self._thread.start()

    def expect(self, name: str) -> None:
        """Says which model is probably needed next; takes no time."""
        with self._changed:
            if time.monotonic() - self._read_at.get(name, -REPEAT_SECONDS) >= REPEAT_SECONDS:
                self._expected = name
                self._changed.notify()

    def stop(self) -> None:
        """Ends after the piece in hand."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()

    # What follows runs in the thread.

    def _run(self) -> None:
        _be_nice()
        while name := self._next():
            try:
                if not self._read_model(name):
                    continue  # it may be of use when it is named again
            except (ClusterError, OSError) as error:
                logger.debug("%s cannot be read ahead: %s", name, error)
            except Exception:
                logger.exception("%s cannot be read ahead.", name)
            self._note_read(name)

    def _next(self) -> str | None:
        with self._changed:
            while not (self._expected or self._is_stopped):
                self._changed.wait()
            name, self._expected = self._expected, None
            return None if self._is_stopped else name

    def _note_read(self, name: str) -> None:
        with self._changed:
            now = time.monotonic()
            self._read_at = {read: at for read, at in self._read_at.items() if now - at < REPEAT_SECONDS}
            self._read_at[name] = now

    def _read_model(self, name: str) -> bool:
        """False when it was not the time for it."""
        stored, started = self._find(name), time.monotonic()
        if stored is None or not self._may_read(stored):
            return False
        if stored.weights_bytes > self._spare_bytes():
            logger.debug("%s is not read ahead: the memory of this host is short.", name)
            return False
        if not all(self._read_file(file, stored) for file in weight_files(stored)):
            return False
        logger.info("Read %s ahead in %.2f s.", name, time.monotonic() - started)
        return True

    def _read_file(self, file: Path, stored: StoredModel) -> bool:
        """False when something else has become more important."""
        piece = bytearray(PIECE_BYTES)
        with file.open("rb", buffering=0) as content:
            while content.readinto(piece):
                if self._is_stopped or not self._may_read(stored):
                    return False
        return True


def _be_nice() -> None:
    if sys.platform == "linux":  # where a thread has a priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICEST)
