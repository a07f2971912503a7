"""Pausing, resuming and emptying lanes and queues, so that two monitors at once do each thing once."""

from collections.abc import Iterable, Sequence
from typing import Any

from monitor.core.audit import NOTE, note_event, operator_name
from monitor.core.formatting import format_count
from monitor.core.told import Told
from monitor.core.undo import DeletedMessage, UndoFile, as_text, undo_folder
from settings import connections, keys
from settings.config import Settings
from settings.lane_names import LaneName

#: At most so many messages, or one and what fits into so many bytes, are deleted at once.
CHUNK, CHUNK_BYTES = 100, 4_194_304

_PAUSE = f"""{NOTE}
local changed = redis.call('HSETNX', KEYS[1], ARGV[3], ARGV[1])
if changed == 1 then note(KEYS[2], 1) end
return changed
"""

#: Rings, so that the workers look at once.
_RESUME = f"""{NOTE}
local changed = redis.call('HDEL', KEYS[1], ARGV[3])
if changed == 1 then
  note(KEYS[2], 1)
  redis.call('PUBLISH', ARGV[4], '')
end
return changed
"""

#: The ids and messages at the head of a list, as many as may be taken out of it at once.
_PEEK = """
local found, bytes = {}, 0
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, ARGV[1] - 1)) do
  local body = redis.call('HGET', KEYS[2], id) or ''
  bytes = bytes + #body
  if #found > 0 and bytes > tonumber(ARGV[2]) then break end
  found[#found + 1] = id
  found[#found + 1] = body
end
return found
"""

#: Takes those of these messages that still wait out of their list, and returns the ids of the others.
_TAKE_OUT = """
local gone = {}
for _, id in ipairs(ARGV) do
  if redis.call('LREM', KEYS[1], 1, id) == 1 then redis.call('HDEL', KEYS[2], id)
  else gone[#gone + 1] = id end
end
return gone
"""


class LaneActions:
    """The lanes of a cluster; blocks for as long as Redis takes, so it belongs into a thread."""

    def __init__(self, settings: Settings) -> None:
        self._client = connections.queue_client(settings, connections.MONITOR)
        self._undo = undo_folder(settings)

    def pause(self, name: str) -> Told:
        """Lets no worker take tasks from a lane, or from a queue with all its lanes; tasks in hand go on.

        Raises:
          redis.RedisError: When Redis does not answer; it is safe to try again.
        """
        words = (operator_name(), "pause", name)
        if self._client.eval(_PAUSE, 2, keys.PAUSED, keys.AUDIT, *words):
            return Told(f"{name} is paused")
        return Told(f"{name} was paused already")

    def resume(self, name: str) -> Told:
        """Lets workers take tasks again.

        Raises:
          redis.RedisError: When Redis does not answer; it is safe to try again.
        """
        words = (operator_name(), "resume", name, keys.bell(LaneName.parse(name).queue))
        if self._client.eval(_RESUME, 2, keys.PAUSED, keys.AUDIT, *words):
            return Told(f"{name} is served again")
        return Told(f"{name} was not paused")

    def purge(self, about: str, lanes: Sequence[str]) -> Told:
        """Deletes what waits in these lanes now; what is in hand or delayed stays. Written to an undo file first.

        Raises:
          redis.RedisError: When Redis does not answer; what was deleted until then can be put back.
          OSError: When the undo file cannot be written; what it lacks is not deleted.
        """
        file = self._undo.begin("waiting")
        deleted = sum(self._empty(lane, file) for lane in lanes)
        note_event(self._client, "delete waiting", about, deleted)
        if not deleted:
            return Told(f"Nothing waits in {about} any more")
        return Told(f"{format_count(deleted)} deleted from {about}; u puts them back ({file.path})")

    def close(self) -> None:
        """Gives the connection back."""
        self._client.close()

    def _empty(self, lane: str, file: UndoFile) -> int:
        deleted, left = 0, self._client.llen(keys.ready(lane))
        while left > 0 and (found := self._peek(lane, min(left, CHUNK))):
            file.write(found)
            gone = self._take_out(lane, (message.redis_id for message in found))
            file.strike(lane, gone)
            deleted, left = deleted + len(found) - len(gone), left - len(found)
        return deleted

    def _peek(self, lane: str, count: int) -> list[DeletedMessage]:
        words: Any = self._client.eval(_PEEK, 2, keys.ready(lane), keys.bodies(lane), count, CHUNK_BYTES)
        return [
            DeletedMessage(lane, as_text(redis_id), as_text(body))
            for redis_id, body in zip(words[::2], words[1::2], strict=True)
        ]

    def _take_out(self, lane: str, redis_ids: Iterable[str]) -> list[str]:
        words = [redis_id.encode(errors="surrogateescape") for redis_id in redis_ids]
        gone: Any = self._client.eval(_TAKE_OUT, 2, keys.ready(lane), keys.bodies(lane), *words)
        return [as_text(redis_id) for redis_id in gone]
