"""Reads the text of one generation out of its Redis stream, as `actors.queueing.streams` writes it."""

from collections.abc import Iterator
from typing import Any

from actors.errors import StreamInterrupted


class StreamReader:
    """Follows one stream's entries; what it needs from Redis is fetched by the client."""

    def __init__(self) -> None:
        self.last_id, self.is_ended = "0", False
        self._has_text = False

    def pieces(self, answer: Any) -> Iterator[str]:
        """The texts of one XREAD answer."""
        for entry_id, fields in _entries(answer):
            self.last_id = entry_id.decode()
            if b"start" in fields and self._has_text:
                raise StreamInterrupted("the text was begun anew; `result` will have the whole text")
            if b"text" in fields:
                self._has_text = True
                yield fields[b"text"].decode()
            if b"end" in fields:
                self.is_ended = True


def _entries(answer: Any) -> Any:
    """XREAD's answer is a mapping in RESP3 and a list of pairs in RESP2; nothing is None or empty."""
    if not answer:
        return ()
    (_, entries) = next(iter(answer.items() if isinstance(answer, dict) else answer))
    # RESP3 wraps the entries of a stream once more.
    return (
        entries[0] if entries and isinstance(entries[0], list) and isinstance(entries[0][0], tuple | list) else entries
    )
