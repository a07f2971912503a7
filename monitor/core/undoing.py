"""Puts back what was deleted last."""

from collections.abc import Sequence
from itertools import groupby

import redis

from monitor.core.audit import note_event
from monitor.core.told import Told
from monitor.core.undo import DeletedMessage, UndoFile, as_bytes, undo_folder
from settings import connections, keys
from settings.config import Settings
from settings.lane_names import LaneName

#: So many messages are put back at once.
CHUNK = 20

#: Puts messages back at the head of their list, in their order, as far as they are not there.
_RESTORE_WAITING = """
local restored = 0
for index = #ARGV - 1, 3, -2 do
  if redis.call('HSETNX', KEYS[3], ARGV[index], ARGV[index + 1]) == 1 then
    redis.call('LPUSH', KEYS[2], ARGV[index])
    restored = restored + 1
  end
end
if ARGV[1] ~= '' then redis.call('SADD', KEYS[1], ARGV[1]) end
redis.call('PUBLISH', ARGV[2], '')
return restored
"""

#: Puts dead letters back as far as they are not there.
_RESTORE_DEAD = """
local restored = 0
for index = 2, #ARGV, 3 do
  if redis.call('HSETNX', KEYS[3], ARGV[index], ARGV[index + 1]) == 1 then
    redis.call('ZADD', KEYS[2], ARGV[index + 2], ARGV[index])
    restored = restored + 1
  end
end
if ARGV[1] ~= '' then redis.call('SADD', KEYS[1], ARGV[1]) end
return restored
"""


class Undoing:
    """Blocks for as long as Redis takes, so it belongs into a thread."""

    def __init__(self, settings: Settings) -> None:
        self._client = connections.queue_client(settings, connections.MONITOR)
        self._folder = undo_folder(settings)

    def undo(self) -> Told:
        """Puts the latest deletion back; a message that is there already stays as it is.

        Raises:
          redis.RedisError: When Redis does not answer; it can be undone again.
          OSError: When the file cannot be read.
        """
        if (file := self._folder.take_last()) is None:
            return Told("There is nothing to undo: no deletion of this Redis is kept on this host.", went_well=False)
        try:
            restored = self._restore(file)
        except (redis.RedisError, OSError):
            self._folder.give_back(file)
            raise
        note_event(self._client, "undo", file.path.name, restored)
        return Told(f"{restored} put back from {file.path.name}")

    def close(self) -> None:
        """Gives the connection back."""
        self._client.close()

    def _restore(self, file: UndoFile) -> int:
        # The head of a list comes last, so that each chunk lies before those that followed it.
        messages = [message for message in file.messages() if message.body][::-1]
        restored = 0
        for (lane, is_dead), group in groupby(messages, key=lambda each: (each.lane, each.died_ms is not None)):
            found = tuple(group)
            for start in range(0, len(found), CHUNK):
                chunk = found[start : start + CHUNK][::-1]
                restored += self._put_back_dead(lane, chunk) if is_dead else self._put_back_waiting(lane, chunk)
        return restored

    def _put_back_waiting(self, lane: str, messages: Sequence[DeletedMessage]) -> int:
        name = LaneName.parse(lane)
        pairs = [word for each in messages for word in (as_bytes(each.redis_id), as_bytes(each.body))]
        names = (keys.LANES, keys.ready(lane), keys.bodies(lane))
        words: list[bytes | str] = [lane if name.model else "", keys.bell(name.queue), *pairs]
        return int(self._client.eval(_RESTORE_WAITING, len(names), *names, *words))

    def _put_back_dead(self, lane: str, messages: Sequence[DeletedMessage]) -> int:
        words: list[bytes | str | float] = [lane if LaneName.parse(lane).model else ""]
        for each in messages:
            words += (as_bytes(each.redis_id), as_bytes(each.body), each.died_ms or 0.0)
        names = (keys.LANES, keys.dead(lane), keys.dead_bodies(lane))
        return int(self._client.eval(_RESTORE_DEAD, len(names), *names, *words))
