"""Counts the deliveries of each message that have not ended, so that one which kills its processes is found out."""

import contextlib
import json
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, cast

import redis

from settings import keys

#: A message with so many deliveries that did not end is not run again.
LIMIT = 3

#: As long as dead letters are kept, whose history this is.
TTL_SECONDS = 86_400

#: Forgets what has ended, and notes a delivery unless there have been too many; then it returns those.
_NOTE = """
for index = 2, #KEYS do
    redis.call('DEL', KEYS[index])
end
local unfinished = redis.call('LRANGE', KEYS[1], 0, -1)
if #unfinished >= tonumber(ARGV[1]) then
    return unfinished
end
redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {}
"""


@dataclass(frozen=True)
class Delivery:
    """Who was given a message, and when, in seconds since the epoch."""

    worker_id: str
    device: str
    at: float

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.at))
        return f"{self.worker_id} on {self.device} at {when}"


class Deliveries:
    """Notes deliveries under Dramatiq's Redis id, which a redelivery keeps and a retry does not.

    An id never comes again once its delivery has ended, so what has ended may be forgotten with the next note, and a
    task costs one round trip.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._note = client.register_script(_NOTE)
        self._client = client
        self._ended: deque[str] = deque()

    def note(self, redis_id: str, delivery: Delivery) -> tuple[Delivery, ...]:
        """Notes a delivery and returns nothing; or notes nothing and returns the unfinished ones that are the limit.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        noted = self._note(
            keys=[keys.deliveries(redis_id), *self._take_ended()],
            args=[LIMIT, json.dumps(asdict(delivery)), TTL_SECONDS],
        )
        return tuple(Delivery(**json.loads(entry)) for entry in cast("list[bytes]", noted))

    def end(self, redis_id: str) -> None:
        """A delivery was acknowledged, rejected or replaced by a retry."""
        self._ended.append(keys.deliveries(redis_id))

    def forget_ended(self) -> None:
        """Removes what no further note will.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        if ended := self._take_ended():
            self._client.delete(*ended)

    def _take_ended(self) -> list[Any]:
        ended: list[Any] = []
        with contextlib.suppress(IndexError):  # several threads take from it
            while True:
                ended.append(self._ended.popleft())
        return ended
