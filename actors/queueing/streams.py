"""The text of one generation as it comes, in a Redis stream that is capped and expires.

An entry has one of the fields `start` (the number of earlier attempts), `text` (a piece) and `end` (why it ended).
"""

import logging

import redis

from settings import keys

logger = logging.getLogger(__name__)

#: The most entries of one stream; pieces that wait while Redis is slow are joined into one.
MAX_ENTRIES = 10_000


class StreamWriter:
    """Publishes one task's pieces. A stream that cannot be written is given up: the result has the whole text."""

    def __init__(self, client: redis.Redis, message_id: str, ttl_seconds: int) -> None:
        self._client, self._key, self._ttl_seconds = client, keys.stream(message_id), ttl_seconds
        self._is_broken = False

    def start(self, attempt: int) -> None:
        """Begins anew; a reader sees by the attempt that earlier pieces are void."""
        self._add("start", str(attempt))

    def write(self, text: str) -> None:
        """Adds a piece."""
        self._add("text", text)

    def end(self, reason: str) -> None:
        """Says that nothing more comes."""
        self._add("end", reason)

    def _add(self, field: str, value: str) -> None:
        if self._is_broken:
            return
        try:
            with self._client.pipeline() as pipe:
                pipe.xadd(self._key, {field: value}, maxlen=MAX_ENTRIES, approximate=True)
                pipe.expire(self._key, self._ttl_seconds)
                pipe.execute()
        except redis.RedisError as error:
            self._is_broken = True
            logger.warning("The stream %s is given up: %s", self._key, error)
