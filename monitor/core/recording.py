"""Recordings: readings as lines of JSON in compressed files, written as they are taken and read one by one.

A line holds a reading without its workers' records, and those records that are not as in the line before.
"""

import gzip
import json
import os
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from monitor.core.formatting import printable
from monitor.core.snapshot import Snapshot
from settings.records import WorkerRecord

#: Raised when an older monitor would misread a line.
FORMAT_VERSION = 2

#: A file ends at so many bytes, and a folder keeps so many files: 512 MiB.
MOST_BYTES, MOST_FILES = 32 * 2**20, 16

#: A monitor that is killed loses no more than so many readings.
READINGS_PER_FLUSH = 5

#: No reading is larger; a longer line is no recording's.
MOST_LINE_BYTES = 64 * 2**20

_PREFIX, _SUFFIX = "monitor-", ".jsonl.gz"


class Header(BaseModel):
    """The first line of a file."""

    format: Literal["cluster-manager monitor"] = "cluster-manager monitor"
    version: int = FORMAT_VERSION
    address: str
    interval_seconds: float
    task_seconds: float


class _Line(BaseModel):
    snapshot: Snapshot
    records: dict[str, WorkerRecord | None]


_SNAPSHOT = TypeAdapter(Snapshot)


class RecordingUnreadable(Exception):
    """A file is not a recording, or is broken; the text says which and where."""


class RecordingWriter:
    """Writes readings into files of a folder; the oldest go when there are too many."""

    def __init__(
        self, folder: Path, header: Header, *, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES
    ) -> None:
        self._folder, self._header = folder, header
        self._most_bytes, self._most_files = most_bytes, most_files
        self._records: dict[str, WorkerRecord | None] = {}
        self._file: gzip.GzipFile | None = None
        self._readings = self._parts = 0

    def write(self, snapshot: Snapshot) -> None:
        """Adds a reading.

        Raises:
          OSError: When the folder or a file cannot be written.
        """
        file = self._file or self.begin_file()
        self._write_line(file, self._line(snapshot))
        self._readings += 1
        if self._readings % READINGS_PER_FLUSH == 0:
            file.flush(zlib.Z_SYNC_FLUSH)
            if self.path.stat().st_size > self._most_bytes:
                self.close()

    def close(self) -> None:
        """Ends the file; another reading begins the next."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def begin_file(self) -> gzip.GzipFile:
        """Begins the next file, and removes the oldest when there are too many.

        Raises:
          OSError: When it cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._parts += 1
        name = f"{_PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}-{self._parts:04}{_SUFFIX}"
        self.path = self._folder / name
        self._file = gzip.open(self.path, "wb", compresslevel=5)  # noqa: SIM115  # open until it is full
        self._records = {}
        self._write_line(self._file, self._header.model_dump())
        # Names begin with the time, so they sort by age.
        for old in sorted(self._folder.glob(f"{_PREFIX}*{_SUFFIX}"))[: -self._most_files]:
            old.unlink(missing_ok=True)
        return self._file

    def _line(self, snapshot: Snapshot) -> dict[str, Any]:
        records = {worker.worker_id: worker.record for worker in snapshot.workers}
        changed = {
            name: record and record.model_dump()
            for name, record in records.items()
            if name not in self._records or self._records[name] is not record
        }
        self._records = records
        bare = replace(snapshot, workers=tuple(replace(worker, record=None) for worker in snapshot.workers))
        return {"snapshot": _SNAPSHOT.dump_python(bare), "records": changed}

    @staticmethod
    def _write_line(file: gzip.GzipFile, fields: dict[str, Any]) -> None:
        # json keeps nan, which pydantic would write as null.
        file.write(json.dumps(fields, separators=(",", ":")).encode() + b"\n")


class RecordingReader:
    """Reads a file from its first reading to its last.

    Raises:
      RecordingUnreadable: When it is not a recording of this version.
    """

    def __init__(self, path: Path) -> None:
        self._name = printable(path.name)
        self._records: dict[str, WorkerRecord | None] = {}
        self._lines = 1
        try:
            self._file = gzip.open(path, "rb")  # noqa: SIM115  # open until the last reading
            self.header = self._read_header(self._file.readline(MOST_LINE_BYTES))
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise RecordingUnreadable(f"{self._name} is not a recording of the monitor") from None
        except OSError as error:
            raise RecordingUnreadable(f"{self._name} cannot be read: {error.strerror or error}") from error

    def read(self) -> Snapshot | None:
        """The next reading, None after the last; a file whose writer was killed ends where it was cut.

        Raises:
          RecordingUnreadable: When the line is not a reading.
        """
        try:
            text = self._file.readline(MOST_LINE_BYTES)
        except (EOFError, zlib.error, OSError):
            return None
        if not text.endswith(b"\n"):
            return None
        self._lines += 1
        try:
            line = _Line.model_validate(json.loads(text))
        except (ValueError, RecursionError):
            raise RecordingUnreadable(f"line {self._lines} of {self._name} is not a reading") from None
        return self._whole(line)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _whole(self, line: _Line) -> Snapshot:
        known = {**self._records, **line.records}
        self._records = {worker.worker_id: known.get(worker.worker_id) for worker in line.snapshot.workers}
        workers = (replace(worker, record=self._records[worker.worker_id]) for worker in line.snapshot.workers)
        return replace(line.snapshot, workers=tuple(workers))

    def _read_header(self, text: bytes) -> Header:
        try:
            header = Header.model_validate(json.loads(text))
        except (ValueError, RecursionError):
            raise RecordingUnreadable(f"{self._name} is not a recording of the monitor") from None
        if header.version != FORMAT_VERSION:
            reason = f"{self._name} is a recording of version {header.version}, this monitor reads {FORMAT_VERSION}"
            raise RecordingUnreadable(reason)
        return header
