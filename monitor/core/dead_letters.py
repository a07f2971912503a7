"""Dead letters: read, sent again and deleted, so that two monitors at once make one copy."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import redis

from monitor.core.audit import note_event
from monitor.core.formatting import printable
from monitor.core.told import Told
from monitor.core.undo import DeletedMessage, UndoFile, as_text, undo_folder
from settings import connections, keys
from settings.config import Settings
from settings.lane_names import LaneName
from settings.message_ids import sortable_id
from settings.sought_task import MessageBody, read_body

#: So many dead letters of each lane are read at first, the newest, and as many more whenever older ones are wanted.
LETTERS_AT_ONCE = 100

#: The bodies of larger messages stay in Redis until they are sent again.
MOST_BYTES = 65_536

#: Options of an attempt that has ended; with them a task would fail again before it runs.
ATTEMPT_OPTIONS = frozenset({"retries", "retry_reasons", "traceback", "requeue_timestamp", "eta", "due_as", "deadline"})

#: What can be done with letters, and how it is told.
Change = Literal["requeue", "delete"]
_WORDS: dict[Change, str] = {"requeue": "sent again", "delete": "deleted"}

#: What became of a letter: sent again or deleted; somebody was quicker; it has a result; it cannot be read.
Outcome = Literal["done", "gone", "has a result", "unreadable"]

#: The size of each letter, and the bodies of those that are not too large.
_LOOK = """
local told = {}
for index = 2, #ARGV do
  local size = redis.call('HSTRLEN', KEYS[1], ARGV[index])
  told[#told + 1] = size
  told[#told + 1] = size <= tonumber(ARGV[1]) and redis.call('HGET', KEYS[1], ARGV[index]) or ''
end
return told
"""

#: Moves a letter that is still what was read back into its lane, and rings.
_REQUEUE = """
local lane, letters, bodies, ready, messages = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if redis.call('HGET', bodies, ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('ZREM', letters, ARGV[1])
redis.call('HDEL', bodies, ARGV[1])
redis.call('HSET', messages, ARGV[3], ARGV[4])
redis.call('RPUSH', ready, ARGV[3])
if ARGV[5] ~= '' then redis.call('SADD', lane, ARGV[5]) end
redis.call('PUBLISH', ARGV[6], '')
return 1
"""

#: Removes a letter.
_DELETE = """
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
"""

#: Removes a stored failure unless another result has taken its place.
_FORGET = """
if redis.call('LINDEX', KEYS[1], 0) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


@dataclass(frozen=True)
class DeadLetter:
    """A message that failed for good, without its caller's text; its body is None when it was not read."""

    lane: str
    redis_id: str
    died_at: float
    size: int
    body: MessageBody | None = None
    fields: tuple[str, ...] = ()
    """The names of its fields, with what kind of value each has."""

    @property
    def name(self) -> str:
        """The id of its task, else what Redis calls it."""
        return self.body.message_id if self.body else self.redis_id

    @property
    def error(self) -> str:
        """The last line of its failure, by which letters are grouped."""
        if self.body is None:
            return f"not shown: {self.size:,} bytes" if self.size > MOST_BYTES else "not a message"
        return self.body.failure or "failed without a word"

    @property
    def tries(self) -> int:
        """How often it was tried, as far as its message says."""
        return 1 + ((self.body and self.body.options.retries) or 0)


#: The lane of a letter, what Redis calls it, and when it died, in milliseconds.
_Place = tuple[str, bytes, float]


class DeadLetters:
    """The dead letters of a cluster; blocks for as long as Redis takes, so it belongs into a thread."""

    def __init__(self, settings: Settings) -> None:
        self._queues = connections.queue_client(settings, connections.MONITOR)
        self._results = connections.result_client(settings, connections.MONITOR)
        self._undo = undo_folder(settings)
        #: What was read last.
        self._known: dict[_Place, DeadLetter] = {}

    def read(self, lanes: Sequence[str], most: int = LETTERS_AT_ONCE) -> tuple[DeadLetter, ...]:
        """The newest of each of these lanes, in two round trips; what was read before is not read again.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        known = self._known
        with self._queues.pipeline(transaction=False) as pipe:
            found = _find(pipe, lanes, most)
            known = {**known, **_look_at(pipe, [place for place in found if place not in known])}
        self._known = {place: known[place] for place in found}
        return tuple(self._known.values())

    def change(self, change: Change, letters: Sequence[DeadLetter]) -> Told:
        """One letter after the other: each is changed or not, whatever becomes of the next."""
        outcomes: Counter[str] = Counter()
        file: UndoFile | None = None
        try:
            file = self._undo.begin("dead") if change == "delete" else None
            for letter in letters:
                outcomes[self.delete(letter, file) if file else self.requeue(letter)] += 1
            lanes = ", ".join(dict.fromkeys(letter.lane for letter in letters))
            note_event(self._queues, _WORDS[change], lanes, outcomes["done"])
        except (redis.RedisError, OSError) as error:
            outcomes[f"not changed ({error})"] += len(letters) - outcomes.total()
        told = told_of(change, outcomes)
        return replace(told, text=f"{told.text}; u puts back what was deleted") if file and outcomes["done"] else told

    def requeue(self, letter: DeadLetter) -> Outcome:
        """Sends a letter again as a new first attempt.

        The stored failure goes first: a task that has a result is acknowledged without being run. If this ends between
        the two, the letter is still dead and can be sent again.

        Raises:
          redis.RedisError: When Redis does not answer; it is safe to try again.
        """
        raw: Any = self._queues.hget(keys.dead_bodies(letter.lane), letter.redis_id)
        if raw is None:
            return "gone"
        if (body := read_body(raw)) is None:
            return "unreadable"
        if not self._forget_failure(body):
            return "has a result"
        return "done" if self._move(letter, raw, body) else "gone"

    def delete(self, letter: DeadLetter, file: UndoFile) -> Outcome:
        """Removes a letter after it was written to a file from which it can be put back.

        Raises:
          redis.RedisError: When Redis does not answer; it is safe to try again.
          OSError: When the file cannot be written; the letter stays.
        """
        names = (keys.dead(letter.lane), keys.dead_bodies(letter.lane))
        raw: Any = self._queues.hget(names[1], letter.redis_id)
        file.write([DeletedMessage(letter.lane, letter.redis_id, as_text(raw or b""), letter.died_at * 1000)])
        if self._queues.eval(_DELETE, 2, *names, letter.redis_id):
            return "done"
        file.strike(letter.lane, [letter.redis_id])
        return "gone"

    def close(self) -> None:
        """Gives the connections back."""
        self._queues.close()
        self._results.close()

    def _forget_failure(self, body: MessageBody) -> bool:
        """Removes the stored failure; whether what is stored, if anything, is one."""
        name = keys.result(body.queue_name, body.actor_name, body.message_id)
        stored: Any = self._results.lindex(name, 0)
        if stored is None:
            return True
        if not _is_failure(stored):
            return False
        # Where another monitor was quicker, the move that follows finds no letter.
        self._results.eval(_FORGET, 1, name, stored)
        return True

    def _move(self, letter: DeadLetter, raw: bytes, body: MessageBody) -> bool:
        redis_id, lane = sortable_id(), letter.lane
        names = (keys.LANES, keys.dead(lane), keys.dead_bodies(lane), keys.ready(lane), keys.bodies(lane))
        listed = lane if LaneName.parse(lane).model else ""
        words = (letter.redis_id, raw, redis_id, _as_first_attempt(raw, redis_id), listed, keys.bell(body.queue_name))
        return bool(self._queues.eval(_REQUEUE, len(names), *names, *words))


def told_of(change: Change, outcomes: Mapping[str, int]) -> Told:
    """How many letters became what."""
    told = [f"{count} {_WORDS[change] if what == 'done' else what}" for what, count in outcomes.items()]
    return Told(printable(", ".join(told)), went_well=set(outcomes) == {"done"})


def _find(pipe: Any, lanes: Sequence[str], most: int) -> list[_Place]:
    for lane in lanes:
        pipe.zrange(keys.dead(lane), 0, most - 1, desc=True, withscores=True)
    return [(lane, *each) for lane, found in zip(lanes, pipe.execute(), strict=True) for each in found]


def _look_at(pipe: Any, places: Sequence[_Place]) -> dict[_Place, DeadLetter]:
    lanes: dict[str, list[_Place]] = {}
    for place in places:
        lanes.setdefault(place[0], []).append(place)
    for lane, own in lanes.items():
        pipe.eval(_LOOK, 1, keys.dead_bodies(lane), MOST_BYTES, *(redis_id for _, redis_id, _ in own))
    return {
        place: _letter(place[0], place[1], place[2] / 1000, size, text)
        for own, told in zip(lanes.values(), pipe.execute(), strict=True)
        for place, size, text in zip(own, told[::2], told[1::2], strict=True)
    }


def _letter(lane: str, redis_id: bytes, died_at: float, size: int, text: bytes) -> DeadLetter:
    body = read_body(text) if text else None
    fields = _described_fields(text) if body and text else ()
    return DeadLetter(lane, redis_id.decode(errors="replace"), died_at, size, body, fields)


def _described_fields(text: bytes) -> tuple[str, ...]:
    given: Any = json.loads(text).get("kwargs")
    return tuple(f"{name}: {_described(value)}" for name, value in given.items()) if isinstance(given, dict) else ()


def _described(value: object) -> str:
    """What kind of value it is and how long, never what it says."""
    if isinstance(value, str):
        return f"text of {len(value):,}"
    if isinstance(value, list):
        return f"list of {len(value):,}"
    return type(value).__name__


def _is_failure(stored: bytes) -> bool:
    try:
        return "exn" in json.loads(stored)
    except (ValueError, TypeError):
        return False


def _as_first_attempt(raw: bytes, redis_id: str) -> bytes:
    fields: dict[str, Any] = json.loads(raw)
    options = {name: value for name, value in fields["options"].items() if name not in ATTEMPT_OPTIONS}
    changed = {**fields, "options": {**options, "redis_message_id": redis_id}}
    # Python's own escapes, as in Dramatiq's encoder: any text survives them.
    return json.dumps(changed, separators=(",", ":")).encode()
