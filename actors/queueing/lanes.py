"""The physical lists of one logical queue: one for each model and priority.

A message stays an ordinary Dramatiq message of its queue; only the list that it waits in is another. What plain
Dramatiq sends waits in the queue's own list.
"""

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import redis
from dramatiq import Message

from actors.errors import InvalidRequest
from actors.queueing.claims import LaneHead
from actors.queueing.commands import call, execute
from settings import keys
from settings.lane_names import PRIORITIES, TAKEN_ENDINGS, LaneName, Priority, lanes_before
from settings.message_ids import sent_at

#: The gateway's 1 (highest) to 10 (lowest) on the three priorities that have lists of their own.
HIGHEST, LOWEST, DEFAULT_PRIORITY = 1, 10, 5

#: A free worker that has not said so for this many seconds has died or is busy.
FREE_SECONDS = 5

#: Reads what waits in each list and who else is free, and takes it at once where `choose_claim` has no choice: there is
#: one list, of what this worker holds, and it has nothing in hand or nobody else is free. It takes as Dramatiq's script
#: fetches, and notes whether this worker is free. A lane that has nothing waiting, in hand or among the dead letters is
#: forgotten, so that looks stay as short as what waits; an enqueue names its lane again in the same transaction. With
#: nothing to take, nobody needs to know who is free: a message wakes all idle workers, and all but one find nothing.
#: What operators have paused is left out: a lane, or the queue with all its lanes. So is a lane that cannot be read,
#: because somebody put something else under its keys: an error here would hold up every worker. What has no list is no
#: lane and is forgotten, for the sake of all others that read them.
_LOOK = f"""
local namespace, queue, broker, worker, models = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6]
local is_free, room, now = ARGV[5] == '1', tonumber(ARGV[7]), redis.call('TIME')
local seconds = tonumber(now[1])
local heads, paused, others, bodies = {{}}, {{}}, {{}}, {{}}
for _, name in ipairs(redis.call('HKEYS', KEYS[3])) do paused[name] = true end
local function failed(answer) return type(answer) == 'table' and answer.err end
local function look(name)
  local list = namespace .. ':' .. name
  local head = redis.pcall('LINDEX', list, 0)
  if failed(head) then return redis.call('SREM', KEYS[1], name) end
  if head and (paused[name] or paused[queue] or failed(redis.pcall('HLEN', list .. '.msgs'))) then return end
  if head then heads[#heads + 1] = {{name, head, redis.call('LLEN', list)}}
  elseif name ~= queue and redis.call('EXISTS', list .. '.msgs', list .. '.XQ') == 0 then
    redis.call('SREM', KEYS[1], name)
  end
end
local function find_others()
  local entries = redis.call('HGETALL', KEYS[2])
  for index = 1, #entries, 2 do
    local at, held = entries[index + 1]:match('^(%d+)|(.*)$')
    if seconds - tonumber(at) > {FREE_SECONDS} then redis.call('HDEL', KEYS[2], entries[index])
    elseif entries[index] ~= worker then others[#others + 1] = held end
  end
end
local function is_held(name)
  local model = name:sub(#queue + 2):match('^%l+%.(.*)$')
  return not model or ('|' .. models .. '|'):find('|' .. model .. '|', 1, true)
end
local function take(name, depth)
  local list, acks = namespace .. ':' .. name, namespace .. ':__acks__.' .. broker .. '.' .. name
  local ids = redis.call('LPOP', list, math.min(room, math.ceil(depth / (1 + #others))))
  redis.call('ZADD', namespace .. ':__heartbeats__', seconds * 1000 + math.floor(now[2] / 1000), broker)
  redis.call('SADD', acks, unpack(ids))
  bodies = redis.call('HMGET', list .. '.msgs', unpack(ids))
  is_free = false
end
look(queue)
for _, lane in ipairs(redis.call('SMEMBERS', KEYS[1])) do look(lane) end
if #heads > 0 then find_others() end
if #heads == 1 and room > 0 and (is_free or #others == 0) and is_held(heads[1][1]) then
  take(heads[1][1], heads[1][3])
end
if is_free then redis.call('HSET', KEYS[2], worker, seconds .. '|' .. models)
elseif worker ~= '' then redis.call('HDEL', KEYS[2], worker) end
return {{heads, others, bodies}}
"""


@dataclass(frozen=True)
class Look:
    """What waited and who was free, at one moment."""

    heads: tuple[LaneHead, ...]
    free_others: tuple[frozenset[str], ...]
    taken: tuple[bytes | None, ...]
    """The messages that were taken from the only head's list, because there was nothing to choose."""


def lane_of(message: Message[Any]) -> str | None:
    """The lane that a message belongs to; None when it names no model that has one: its queue's own list has it."""
    model = message.kwargs.get("model")
    if not isinstance(model, str) or not model.isprintable() or not 0 < len(model) <= keys.MAX_MODEL_NAME:
        return None
    if model.endswith(TAKEN_ENDINGS):
        return None
    return str(LaneName(message.queue_name, priority_name(message.options.get("priority")), model))


def list_of(message: Any) -> str:
    """The list that a fetched message of a queue with lanes came from."""
    name: str = message.options.get("lane", message.queue_name)
    return name


def lanes_ahead(message: Message[Any]) -> tuple[str, ...]:
    """The lanes of a message's model whose tasks go before it, its own last; none when it names no model."""
    return (*lanes_before(own), own) if (own := lane_of(message)) else ()


def priority_name(priority: object) -> Priority:
    """1 to 3 are high, 4 to 7 normal, 8 to 10 low; anything else is normal."""
    if not isinstance(priority, int) or not HIGHEST <= priority <= LOWEST:
        priority = DEFAULT_PRIORITY
    return PRIORITIES[0 if priority <= 3 else 1 if priority <= 7 else 2]


def checked_priority(priority: object) -> int:
    """A sender's priority.

    Raises:
      InvalidRequest: When it is not one of 1 to 10.
    """
    if not isinstance(priority, int) or isinstance(priority, bool) or not HIGHEST <= priority <= LOWEST:
        raise InvalidRequest(
            f"priority={priority!r:.80}: {HIGHEST} (first) to {LOWEST} (last) are allowed, as whole numbers"
        )
    return priority


def age_seconds(redis_id: str) -> float:
    """How long ago an id was made; plain Dramatiq's tell nothing, and count as new."""
    at = sent_at(redis_id)
    return 0.0 if at is None else max(0.0, time.time() - at)


class LaneReader:
    """Looks at the lanes of one queue for one worker."""

    def __init__(self, client: redis.Redis, queue: str, broker_id: str, worker_id: str) -> None:
        self._names = (keys.DRAMATIQ_NAMESPACE, queue, broker_id, worker_id)
        self._client, self._script = client, client.register_script(_LOOK)

    def look(self, is_free: bool, models: Collection[str], room: int) -> Look:
        """One round trip, whatever the number of lanes; takes up to `room` tasks if it is plain whose they are.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        arguments = (*self._names, int(is_free), "|".join(models), room)
        names = (keys.LANES, keys.FREE_WORKERS, keys.PAUSED)
        ((heads, others, taken),) = execute(self._client, [call(self._script, names, arguments)])
        return Look(
            tuple(self._head(*head) for head in heads),
            tuple(frozenset(models.decode().split("|")) - {""} for models in others),
            tuple(taken),
        )

    def _head(self, lane: bytes, redis_id: bytes, depth: int) -> LaneHead:
        name = LaneName.parse(lane.decode())
        return LaneHead(str(name), name.model, PRIORITIES.index(name.priority), age_seconds(redis_id.decode()), depth)


def all_lists(client: redis.Redis, queue: str) -> Iterable[str]:
    """A queue's own list and its lanes."""
    members: Any = client.smembers(keys.LANES)
    lanes = sorted(member.decode(errors="replace") for member in members)  # anybody may have added one
    return [queue, *(lane for lane in lanes if lane.startswith(f"{queue}."))]
