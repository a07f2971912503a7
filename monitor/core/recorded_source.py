"""Sources that write what they read into a recording, and that read a recording."""

import logging
from dataclasses import replace
from pathlib import Path

from monitor.core.changes import ChangeWatch
from monitor.core.formatting import printable
from monitor.core.recording import RecordingReader, RecordingUnreadable, RecordingWriter
from monitor.core.snapshot import Snapshot
from monitor.core.source import Source, SourceState
from monitor.core.worker_history import WorkerHistories

logger = logging.getLogger(__name__)


class RecordingSource:
    """Another source whose readings are kept."""

    def __init__(self, source: Source, writer: RecordingWriter) -> None:
        self._source, self._writer = source, writer
        self._is_writing = True

    @property
    def address(self) -> str:
        """That of the source."""
        return self._source.address

    @property
    def state(self) -> SourceState:
        """Whether the readings are still kept."""
        return "recording" if self._is_writing else "not recording"

    def watch(self, page: str, about: str = "") -> None:
        """Tells the source which page is open."""
        self._source.watch(page, about)

    def read(self) -> Snapshot:
        """Takes a reading and keeps it; a full disk ends the recording and not the monitor."""
        snapshot = self._source.read()
        if self._is_writing:
            try:
                self._writer.write(snapshot)
            except OSError as error:
                self._is_writing = False
                logger.error("The recording has ended: %s", error)
        return snapshot


class ReplaySource:
    """The readings of a file, one each time that it is asked; the last one stays.

    Raises:
      RecordingUnreadable: When it is not a recording, or one without a reading.
    """

    def __init__(self, path: Path) -> None:
        self._reader = RecordingReader(path)
        self.header = self._reader.header
        self.address = printable(f"{self.header.address} in {path.name}")
        self._latest, self._next = Snapshot(), self._reader.read()
        self._changes, self._histories, self._opened = ChangeWatch(), WorkerHistories(), ""
        if self._next is None:
            raise RecordingUnreadable(f"{printable(str(path))} holds no reading")

    @property
    def state(self) -> SourceState:
        """Whether there are more readings."""
        return "ended" if self._next is None else "replay"

    def watch(self, page: str, about: str = "") -> None:
        """The readings are what they were; what an open worker did is made of them."""
        self._opened = about if page == "worker" else ""

    def read(self) -> Snapshot:
        """The next reading; a broken one ends the recording."""
        if self._next is not None:
            self._latest, self._next = self._next, None
            changes = self._changes.compare(self._latest)
            self._histories.observe(changes, self._latest.at or 0.0)
            try:
                self._next = self._reader.read()
            except RecordingUnreadable as error:
                self._latest = replace(self._latest, error=str(error))
        history = self._histories.of(self._opened)
        return replace(self._latest, histories={self._opened: history}) if history else self._latest

    def close(self) -> None:
        """Closes the file."""
        self._reader.close()
