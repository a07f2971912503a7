"""The files of one revision on their way into a folder, each checked against its checksum."""

import errno
import hashlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import quote

from actors.errors import ModelBroken, ModelRefused, StoreFull, StoreUnreachable
from actors.model_store.disk_cache import bytes_in
from actors.model_store.manifest import Manifest, RemoteFile
from actors.model_store.origin import Origin
from actors.model_store.progress import Progress
from settings.arriving import describe_arriving

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20

#: A connection that is cut is opened again where it was cut; so often without a byte in between, and after so long.
ATTEMPTS = 3
PAUSE_SECONDS = 0.5

#: How often the log tells how far a download is.
PROGRESS_SECONDS = 10.0

#: So many files come at a time, on a connection each: one alone rarely fills a fast network.
FILES_AT_ONCE = 4

#: Ends the name of a file that is not whole.
PART = ".part"


class Download:
    """Brings a revision into `folder`, and goes on where an earlier attempt ended. `check` may raise to end it."""

    def __init__(
        self, origin: Origin, manifest: Manifest, folder: Path, check: Callable[[], None], progress: Progress
    ) -> None:
        self._origin, self._manifest, self._folder = origin, manifest, folder
        self._check_caller, self._progress = check, progress
        self._came_bytes, self._has_failed = 0, False
        self._mutex = threading.Lock()
        self._started = self._told = time.monotonic()

    def run(self) -> None:
        """Every file, whole and verified.

        Raises:
          ModelBroken: When the server's bytes are not those of the checksum; they are removed.
          ModelRefused: When there is no checksum.
          StoreUnreachable: When the server does not answer, or the connection is cut again and again.
        """
        self._begin()
        with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="download") as threads:
            brought = [threads.submit(self._bring, file) for file in self._manifest.files]
            try:
                for each in as_completed(brought):
                    each.result()
            except BaseException:
                self._has_failed = True  # the other files go on at the next attempt
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        seconds = time.monotonic() - self._started
        logger.info("Downloaded %s: %d bytes in %.1f s.", self._manifest.reference, self._came_bytes, seconds)

    def _begin(self) -> None:
        self._progress.begin("downloading", self._manifest.size, bytes_in(self._folder))

    # What follows runs in a thread for each file.

    def _bring(self, file: RemoteFile) -> None:
        target = self._folder / file.path
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + PART)
        is_resumed = part.exists()
        checksum = self._fill(file, part)
        if self._progress.has_all_bytes:
            self._progress.begin("verifying", self._manifest.size, self._manifest.size)
        found = digest_of(part, checksum)
        if found != checksum and is_resumed:
            # What lay there may have been cut by a crash of this host, so it is not yet the server's fault.
            part.unlink()
            self._begin()
            checksum = self._fill(file, part)
            found = digest_of(part, checksum)
        if found != checksum:
            part.unlink()
            raise ModelBroken(
                f"{self._manifest.reference}: {file.path} came with the checksum {found} instead of {checksum}, and was"
                f" removed; look at the files of {self._origin.url}"
            )
        part.replace(target)

    def _fill(self, file: RemoteFile, part: Path) -> str:
        """Brings all bytes, through cut connections; returns the checksum that they should have."""
        fruitless = 0
        while True:
            before = _size(part)
            try:
                if checksum := self._append(file, part):
                    return checksum
                reason = "the connection was cut"
            except (OSError, HTTPException) as error:
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    raise StoreFull(f"{self._manifest.reference}: {self._folder} is on a disk that is full") from error
                reason = repr(error)
            fruitless = fruitless + 1 if _size(part) <= before else 0
            if fruitless >= ATTEMPTS:
                raise StoreUnreachable(f"{self._manifest.reference}: {file.path} does not come to its end: {reason}")
            logger.warning("%s: %s is asked for again: %s.", self._manifest.reference, file.path, reason)
            self._check()
            time.sleep(PAUSE_SECONDS)

    def _append(self, file: RemoteFile, part: Path) -> str | None:
        """What is missing of a file, as far as it comes; its checksum when that was all."""
        name, revision = self._manifest.reference.name, self._manifest.revision
        if file.size is None or file.checksum is None:
            self._drop(part)  # it may be whole, and nothing here could tell
        offset = _size(part)
        if file.size is not None and file.checksum and offset >= file.size > 0:
            return file.checksum
        path = f"/{quote(name)}/resolve/{quote(revision, safe='')}/{quote(file.path)}"
        with self._origin.open(path, f"{file.path} of {self._manifest.reference}", offset) as response:
            offset = offset if response.status == 206 else 0
            checksum, size = file.checksum or _etag(response), _whole_size(file, response, offset)
            if checksum is None:
                raise ModelRefused(f"{self._manifest.reference}: {self._origin.url} tells no checksum of {file.path}")
            if offset == 0:
                self._drop(part)
            with part.open("ab") as written:
                while chunk := response.read1(CHUNK_BYTES):  # what has come: a slow server must not hide the time
                    written.write(chunk)
                    self._note(len(chunk))
                    self._check()
                return checksum if size is None or written.tell() >= size else None

    def _check(self) -> None:
        self._check_caller()
        if self._has_failed:
            raise StoreUnreachable(f"{self._manifest.reference}: another of its files cannot be had")

    def _note(self, size: int) -> None:
        """So many bytes came; the log is told now and then."""
        self._progress.add(size)
        with self._mutex:
            self._came_bytes += size
            now = time.monotonic()
            if now - self._told < PROGRESS_SECONDS:
                return
            self._told = now
            speed = self._came_bytes / (now - self._started)
        logger.info("At %.1f MB/s: %s.", speed / 1e6, describe_arriving(self._progress.to_record()))

    def _drop(self, part: Path) -> None:
        """Bytes that have to come again."""
        self._progress.add(-_size(part))
        part.unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def digest_of(path: Path, like: str) -> str:
    """A file's checksum of the same kind as another: sha256, or git's sha1 for 40 digits."""
    with path.open("rb") as file:
        if len(like) == 64:
            return hashlib.file_digest(file, "sha256").hexdigest()
        header = f"blob {path.stat().st_size}\0".encode()
        digest = hashlib.sha1(header, usedforsecurity=False)
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
        return digest.hexdigest()


def _etag(response: HTTPResponse) -> str | None:
    tag = (response.headers.get("X-Linked-Etag") or response.headers.get("ETag") or "").removeprefix("W/").strip('"')
    return tag if len(tag) in (40, 64) and not set(tag) - set("0123456789abcdef") else None


def _whole_size(file: RemoteFile, response: HTTPResponse, offset: int) -> int | None:
    if file.size is not None:
        return file.size
    length = response.headers.get("Content-Length", "")
    return offset + int(length) if length.isdigit() else None
