"""When each worker process last spoke, by Redis' clock: hosts' clocks differ, and whoever seems silent is robbed."""

import time
from typing import cast

import redis

from settings import keys

#: A process that has not spoken for this long was cut off from Redis, and so may all others have been.
CUT_OFF_MS = 10_000

#: How long everybody has to speak again after that: a look, and a connection that takes its time to break.
SETTLING_MS = 15_000

#: Between two of Dramatiq's own heartbeats of an idle process: by Dramatiq's rule it is silent after a minute.
HEARTBEAT_SECONDS = 15.0

#: Dramatiq's own heartbeat too: senders of plain Dramatiq may look for the silent, and an idle process fetches nothing.
_SPEAK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
if KEYS[2] then redis.call('ZADD', KEYS[2], now, ARGV[1]) end
return now
"""

#: Who has ever spoken here is judged by that. Dramatiq's heartbeats, by each host's own clock, are for all others.
_SILENT = """
local oldest = redis.call('TIME')[1] * 1000 - ARGV[1]
local silent = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', oldest, 'LIMIT', 0, ARGV[2])
for _, broker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', oldest, 'LIMIT', 0, ARGV[2])) do
    if not redis.call('ZSCORE', KEYS[1], broker) then silent[#silent + 1] = broker end
end
return silent
"""


class SignsOfLife:
    """What one process says of itself, and reads of all others."""

    def __init__(self, client: redis.Redis, broker_id: str) -> None:
        self._client, self._broker_id = client, broker_id
        self._speak, self._silent = client.register_script(_SPEAK), client.register_script(_SILENT)
        self._now_ms = self._unbroken_since_ms = 0
        self._heartbeat_at = 0.0

    def speak(self) -> None:
        """To be called every few seconds.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        is_due = (now := time.monotonic()) >= self._heartbeat_at
        names = [keys.ALIVE, keys.HEARTBEATS] if is_due else [keys.ALIVE]
        now_ms = cast("int", self._speak(keys=names, args=[self._broker_id]))
        if is_due:
            self._heartbeat_at = now + HEARTBEAT_SECONDS
        if now_ms - self._now_ms > CUT_OFF_MS:
            self._unbroken_since_ms = now_ms
        self._now_ms = now_ms

    @property
    def may_judge(self) -> bool:
        """Whether Redis has been there for long enough that whoever has not spoken is gone."""
        return self._now_ms - self._unbroken_since_ms >= SETTLING_MS

    def silent(self, limit_ms: int, most: int) -> set[str]:
        """The broker ids of processes that have not spoken for so long; not many more than `most`.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        found = self._silent(keys=[keys.ALIVE, keys.HEARTBEATS], args=[limit_ms, most])
        return {broker_id.decode() for broker_id in cast("list[bytes]", found)}

    def forget(self, broker_id: str) -> None:
        """Removes a process that holds nothing any more."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.zrem(keys.ALIVE, broker_id)
            pipe.zrem(keys.HEARTBEATS, broker_id)
            pipe.execute()
