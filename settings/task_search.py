"""Looks for a task by its message id where its Redis id is not known: a step in each list a round trip, with an end.

Redis itself looks for the id in the messages' texts: they may be megabytes, and are not for others to carry.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

import redis

from settings import keys
from settings.lane_names import LaneName
from settings.sought_task import SoughtTask, read_body

#: The most steps of one search: it sees about 10,000 messages of each list.
ROUND_TRIPS = 50

#: About so many messages of a list are one step, so that nobody else waits for Redis for long.
STEP = 200

#: The next cursor, and the ids and messages of a step that hold the sought text.
_SEEK = """
local page, found = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2]), {}
for index = 1, #page[2], 2 do
    if string.find(page[2][index + 1], ARGV[3], 1, true) then
        found[#found + 1] = page[2][index]
        found[#found + 1] = page[2][index + 1]
    end
end
return {page[1], found}
"""


class TaskSearch:
    """Searches the queues' database; writes nothing."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def find(self, task: SoughtTask) -> SoughtTask | None:
        """The task with its list and Redis id, None when it is not among the messages that were looked at.

        At most `ROUND_TRIPS` round trips, and one more when only its id is known.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        lists = dict(_hashes(task.possible_lists if task.actor else self._all_lists(task)))
        cursors = dict.fromkeys(lists, b"0")
        for _ in range(ROUND_TRIPS):
            for name, redis_id, stored in self._step(cursors, task.message_id):
                if (body := read_body(stored)) and body.message_id == task.message_id:
                    found = SoughtTask.from_body(body)
                    return replace(found, lane=lists[name], redis_id=redis_id.decode(errors="replace"))
            if not cursors:
                break
        return None

    def _all_lists(self, task: SoughtTask) -> tuple[str, ...]:
        with self._client.pipeline(transaction=False) as pipe:
            pipe.smembers(keys.QUEUES)
            pipe.smembers(keys.LANES)
            names = set().union(*pipe.execute())
        return tuple(sorted({name.decode(errors="replace") for name in names} | {task.queue}))

    def _step(self, cursors: dict[str, bytes], message_id: str) -> Iterator[tuple[str, bytes, bytes]]:
        """One step in each hash; moves the cursors on, and removes those that are through."""
        asked, sought = tuple(cursors), json.dumps(message_id)
        with self._client.pipeline(transaction=False) as pipe:
            for name in asked:
                pipe.eval(_SEEK, 1, name, cursors[name], STEP, sought)
            answers = pipe.execute()
        for name, (cursor, found) in zip(asked, answers, strict=True):
            cursors[name] = cursor
            if cursor == b"0":
                del cursors[name]
            for redis_id, stored in zip(found[::2], found[1::2], strict=True):
                yield name, redis_id, stored


def _hashes(lists: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The hashes of messages of these lists, each with its list: first the delayed, which may be in a lane already."""
    names = tuple(lists)
    yield from ((keys.delayed_bodies(name), name) for name in names if LaneName.parse(name).model is None)
    yield from ((keys.bodies(name), name) for name in names)
    yield from ((keys.dead_bodies(name), name) for name in names)
