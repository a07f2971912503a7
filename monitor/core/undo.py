"""What was deleted, kept in a file so that it can be put back.

A file is written before anything is deleted: its first line says of which Redis, each further one is a message. The
files hold callers' texts, so only their owner may read them.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from monitor.core.address import shown_address
from settings.config import Settings
from settings.local_redis import find_redis_url

#: Files beyond so many are removed, the oldest first.
MOST_FILES = 50

#: What the name of a file ends with while it can be put back, and afterwards.
_OPEN, _USED = ".jsonl", ".used"


@dataclass(frozen=True)
class DeletedMessage:
    """A message as it lay in Redis; `died_ms` is None for one that waited. Texts carry any bytes."""

    lane: str
    redis_id: str
    body: str
    died_ms: float | None = None


class UndoFile:
    """One deletion."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, messages: Iterable[DeletedMessage]) -> None:
        """Adds messages that are about to be deleted, and returns when they are on the disk.

        Raises:
          OSError: When they cannot be written; nothing is to be deleted then.
        """
        self._append(asdict(message) for message in messages)

    def strike(self, lane: str, redis_ids: Iterable[str]) -> None:
        """Takes back messages that somebody else had deleted or taken meanwhile: they are not this file's to restore.

        Raises:
          OSError: When it cannot be written.
        """
        self._append({"lane": lane, "struck": redis_id} for redis_id in redis_ids)

    def messages(self) -> tuple[DeletedMessage, ...]:
        """What was deleted, in its order; a line that was cut off by a crash is left out."""
        lines = tuple(_readable(self.path))[1:]
        struck = {(line["lane"], line["struck"]) for line in lines if "struck" in line}
        found = (DeletedMessage(**line) for line in lines if "struck" not in line)
        return tuple(message for message in found if (message.lane, message.redis_id) not in struck)

    def _append(self, lines: Iterable[dict[str, Any]]) -> None:
        if not (text := "".join(f"{json.dumps(line)}\n" for line in lines)):
            return
        # Not made anew: somebody may have begun to put it back, and what comes later would be lost.
        with self.path.open("r+", encoding="ascii") as file:
            file.seek(0, os.SEEK_END)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


class UndoFolder:
    """The deletions of one Redis that this host's user has made."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address

    def begin(self, kind: Literal["dead", "waiting"]) -> UndoFile:
        """A new file.

        Raises:
          OSError: When it cannot be made; nothing is to be deleted then.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._trim()
        name = f"{time.strftime('%Y-%m-%dT%H%M%S')}-{time.time_ns() % 10**9:09}-{os.getpid()}-{kind}{_OPEN}"
        file = UndoFile(self._folder / name)
        os.close(os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        file._append([{"redis": self._address}])
        return file

    def take_last(self) -> UndoFile | None:
        """The latest deletion that holds something, once: of two who ask at the same time one gets it."""
        for path in sorted(self._folder.glob(f"*{_OPEN}"), reverse=True):
            try:
                if self._holds_something(path):
                    return UndoFile(path.rename(path.with_suffix(_USED)))
            except FileNotFoundError:  # someone was quicker
                continue
        return None

    def give_back(self, file: UndoFile) -> None:
        """Lets a deletion be undone again, because it could not be put back as a whole."""
        file.path.rename(file.path.with_suffix(_OPEN))

    def _holds_something(self, path: Path) -> bool:
        header = next(_readable(path), {})
        return header.get("redis") == self._address and bool(UndoFile(path).messages())

    def _trim(self) -> None:
        files = sorted(path for path in self._folder.iterdir() if path.suffix in (_OPEN, _USED))
        for path in files[: max(0, len(files) - MOST_FILES + 1)]:
            path.unlink(missing_ok=True)


def undo_folder(settings: Settings) -> UndoFolder:
    """The deletions from the Redis of a configuration."""
    return UndoFolder(settings.state_dir.expanduser() / "undo", shown_address(find_redis_url(settings)))


def as_text(stored: bytes) -> str:
    """Any bytes as a text that `as_bytes` turns back."""
    return stored.decode(errors="surrogateescape")


def as_bytes(text: str) -> bytes:
    """The bytes of such a text."""
    return text.encode(errors="surrogateescape")


def _readable(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="ascii") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                return
