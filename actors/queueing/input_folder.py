"""Inputs that are files of one shared folder; nothing outside it is ever read."""

import os
import stat
from pathlib import Path

from actors.errors import InputNotFound, InvalidRequest, RequestTooLarge, StoreUnreachable

#: Neither waits for a pipe's other end nor follows a link that took the file's place; flags that Windows lacks are 0.
_OPEN_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


class InputFolder:
    """The folder INPUT_FOLDER; without one, every file is refused."""

    def __init__(self, folder: Path | None, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes

    def read(self, path: str) -> bytes:
        """The content of a regular file; `path` is a reference's, which names no folder above.

        Raises:
          InputNotFound: When there is no such file.
          InvalidRequest: When there is no folder, or the file is not a regular one or outside of it.
          RequestTooLarge: When it has more than MAX_BLOB_BYTES.
          StoreUnreachable: When the folder or the file cannot be read.
        """
        if self._folder is None:
            raise InvalidRequest("files are not accepted: INPUT_FOLDER is not set on this worker")
        try:
            content = self._read_inside(self._folder.resolve(strict=True), path)
        except OSError as error:
            raise StoreUnreachable(f"{path!r} in INPUT_FOLDER cannot be read: {error.strerror}") from error
        if len(content) > self._max_bytes:
            raise RequestTooLarge(f"{path!r} has more than {self._max_bytes:,} bytes (MAX_BLOB_BYTES)")
        return content

    def _read_inside(self, folder: Path, path: str) -> bytes:
        try:
            file = (folder / path).resolve(strict=True)
        except (FileNotFoundError, NotADirectoryError, RuntimeError):  # the last for links in a circle
            raise InputNotFound(f"there is no file {path!r} in INPUT_FOLDER") from None
        if not file.is_relative_to(folder) or not file.is_file():
            raise InvalidRequest(f"{path!r} is not a regular file inside INPUT_FOLDER")
        with open(file, "rb", opener=lambda name, flags: os.open(name, flags | _OPEN_FLAGS)) as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise InvalidRequest(f"{path!r} is not a regular file inside INPUT_FOLDER")
            return opened.read(self._max_bytes + 1)
