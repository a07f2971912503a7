"""The text of generations as it comes, each in a Redis stream that is capped and expires.

An entry has one of the fields `start` (the number of earlier attempts; pieces before it are void), `text` (a piece) and
`end` (why it ended).
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import redis

from settings import keys

logger = logging.getLogger(__name__)

#: The most entries of one stream.
MAX_ENTRIES = 10_000


@dataclass(eq=False)
class Stream:
    """One attempt at a task. No call waits for Redis; what it writes is written in order.

    A batch that fails is run again in part, and then each of its texts begins anew. Readers notice that only where it
    comes out as another text.
    """

    key: str
    attempt: int
    _entries: "SimpleQueue[_Entry | None]"
    is_broken: bool = field(default=False, init=False)
    """Given up: the result has the whole text."""
    _written: str = field(default="", init=False)
    """What readers have of this attempt."""
    _length: int = field(default=0, init=False)
    """How far the present run has come, which may be less."""

    def begin(self) -> None:
        """What is written next is the beginning of the text."""
        self._length = 0

    def write(self, text: str) -> None:
        """Adds a piece, as far as readers do not have it."""
        begun = self._written[: self._length] + text
        if not self._written.startswith(begun):
            self._show(begun)
        self._length = len(begun)

    def end(self, reason: str, when_written: Callable[[], None]) -> None:
        """Says that nothing more comes; `when_written` is called when a reader can see it, or never will."""
        if not reason:
            self._show(self._written[: self._length])
        self._entries.put(_Entry(self, "end", reason, when_written))

    def open(self) -> None:
        """Says that whatever was written before is void."""
        self._entries.put(_Entry(self, "start", str(self.attempt)))

    def _show(self, text: str) -> None:
        if not text.startswith(self._written):
            self.open()
            self._written = ""
        if piece := text[len(self._written) :]:
            self._entries.put(_Entry(self, "text", piece))
        self._written = text


@dataclass(frozen=True)
class _Entry:
    stream: Stream
    field: str
    value: str
    when_written: Callable[[], None] | None = None


class StreamPublisher:
    """Writes the entries of all streams of a process from one thread, those that wait in one round trip."""

    def __init__(self, client: redis.Redis, ttl_seconds: int) -> None:
        self._client, self._ttl_seconds = client, ttl_seconds
        self._entries: SimpleQueue[_Entry | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._publish_until_stopped, name="streams", daemon=True)
        self._thread.start()

    def open(self, message_id: str, attempt: int) -> Stream:
        """Begins a stream anew; a reader sees by the attempt that earlier pieces are void."""
        stream = Stream(keys.stream(message_id), attempt, self._entries)
        stream.open()
        return stream

    def stop(self) -> None:
        """Ends the thread when everything is written."""
        self._entries.put(None)
        self._thread.join()

    def _publish_until_stopped(self) -> None:
        while entries := self._waiting():
            self._write([entry for entry in entries if not entry.stream.is_broken])
            for entry in entries:
                if entry.when_written:
                    entry.when_written()

    def _waiting(self) -> list[_Entry]:
        """Everything that waits, at least one entry; nothing when it is to stop."""
        entries, entry = [], self._entries.get()
        while entry:
            entries.append(entry)
            try:
                entry = self._entries.get_nowait()
            except Empty:
                return entries
        self._entries.put(None)  # met behind entries, it is met once more
        return entries

    def _write(self, entries: list[_Entry]) -> None:
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for entry in entries:
                    pipe.xadd(entry.stream.key, {entry.field: entry.value}, maxlen=MAX_ENTRIES, approximate=True)
                    pipe.expire(entry.stream.key, self._ttl_seconds)
                pipe.execute()
        except redis.RedisError as error:
            for stream in {entry.stream for entry in entries}:
                stream.is_broken = True
                logger.warning("The stream %s is given up: %s", stream.key, error)
