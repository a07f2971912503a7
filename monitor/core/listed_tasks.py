"""The first tasks of each lane and its newest dead letters, as a page lists them.

Redis itself takes what is shown out of the messages: they may be megabytes. Each is asked for once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from settings import keys
from settings.message_ids import sent_at
from settings.sought_task import MessageBody, SoughtTask, read_body

#: So many of those that wait in a lane are listed, and of its dead letters.
HEADS, NEWEST_DEAD = 10, 5

#: The most messages that one reading takes a new look at, so that nobody else waits for Redis for long.
NEW_LOOKS = 50

#: Larger messages are listed without their body.
MOST_BYTES = 262_144

#: The size of each message, and of what it says no more than where it comes from and why it failed.
DESCRIBE = """
local told = {}
for index = 2, #ARGV do
    local size, short = redis.call('HSTRLEN', KEYS[1], ARGV[index]), ''
    if size > 0 and size <= tonumber(ARGV[1]) then
        local is_read, message = pcall(cjson.decode, redis.call('HGET', KEYS[1], ARGV[index]))
        if is_read and type(message) == 'table' then
            local fields = type(message.kwargs) == 'table' and message.kwargs or {}
            local options = type(message.options) == 'table' and message.options or {}
            local traceback = type(options.traceback) == 'string' and string.sub(options.traceback, -1000) or nil
            local is_told, text = pcall(cjson.encode, {
                message_id = message.message_id, queue_name = message.queue_name, actor_name = message.actor_name,
                message_timestamp = message.message_timestamp, kwargs = {model = fields.model},
                options = {lane = options.lane, redis_message_id = options.redis_message_id, eta = options.eta,
                           retries = options.retries, retry_reasons = options.retry_reasons, traceback = traceback},
            })
            short = is_told and text or ''
        end
    end
    told[#told + 1], told[#told + 2] = size, short
end
return told
"""


@dataclass(frozen=True)
class ListedTask:
    """A message that waits near the head of its lane, or one of the newest dead letters of it."""

    lane: str
    redis_id: str
    state: Literal["waiting", "dead"]
    position: int
    """Its place from the head, which is 1; for a dead letter from the newest."""
    since: float | None
    """When it was sent or died, if that is known."""
    sought: SoughtTask | None = None
    """What its message says; `None` until Redis has told, and when it cannot be read or is too large."""
    failure: str | None = None
    """Why its last try failed, if there was one."""


class ListedTasks:
    """Follows the heads of the lanes from reading to reading."""

    def __init__(self) -> None:
        self._bodies: dict[tuple[str, str], MessageBody | None] = {}
        self._listed: tuple[ListedTask, ...] = ()
        self._lists: tuple[str, ...] = ()
        self._asked: dict[str, list[ListedTask]] = {}

    def ask_bodies(self, pipe: Any) -> None:
        """Adds to a pipeline the looks at messages that the last reading found and nobody has looked at."""
        self._asked = {}
        unknown = (task for task in self._listed if _key(task) not in self._bodies)
        for task, _ in zip(unknown, range(NEW_LOOKS), strict=False):
            self._asked.setdefault(_hash(task), []).append(task)
        for name, tasks in self._asked.items():
            pipe.eval(DESCRIBE, 1, name, MOST_BYTES, *(task.redis_id for task in tasks))

    def ask_heads(self, pipe: Any, lists: Sequence[str]) -> None:
        """Adds to a pipeline what `read` needs of each list."""
        self._lists = tuple(lists)
        for name in lists:
            pipe.lrange(keys.ready(name), 0, HEADS - 1)
            pipe.zrevrange(keys.dead(name), 0, NEWEST_DEAD - 1, withscores=True)

    def read(self, bodies: Sequence[Any], heads: Sequence[Any]) -> tuple[ListedTask, ...]:
        """What is listed now, from the answers to both; an answer that is an error counts for nothing."""
        for tasks, answer in zip(self._asked.values(), bodies, strict=True):
            told = answer if isinstance(answer, list) else [0, b""] * len(tasks)
            for task, short in zip(tasks, told[1::2], strict=True):
                self._bodies[_key(task)] = read_body(short)
        found = tuple(self._read_heads(heads))
        known = {_key(task): self._bodies[_key(task)] for task in found if _key(task) in self._bodies}
        self._bodies = known
        self._listed = tuple(_with_body(task, known.get(_key(task))) for task in found)
        return self._listed

    def _read_heads(self, heads: Sequence[Any]) -> Iterator[ListedTask]:
        for lane, waiting, dead in zip(self._lists, heads[::2], heads[1::2], strict=True):
            for index, redis_id in enumerate(waiting if isinstance(waiting, list) else ()):
                name = _text(redis_id)
                yield ListedTask(lane, name, "waiting", index + 1, sent_at(name))
            for index, (redis_id, died_ms) in enumerate(dead if isinstance(dead, list) else ()):
                yield ListedTask(lane, _text(redis_id), "dead", index + 1, died_ms / 1000)


def _with_body(task: ListedTask, body: MessageBody | None) -> ListedTask:
    return replace(task, sought=SoughtTask.from_body(body), failure=body.failure) if body else task


def describe_one(pipe: Any, lane: str, redis_id: str) -> None:
    """Adds to a pipeline a look at one message, wherever in its lane's hashes it is."""
    for name in (keys.bodies(lane), keys.delayed_bodies(lane), keys.dead_bodies(lane)):
        pipe.eval(DESCRIBE, 1, name, MOST_BYTES, redis_id)


def _key(task: ListedTask) -> tuple[str, str]:
    return _hash(task), task.redis_id


def _hash(task: ListedTask) -> str:
    return keys.dead_bodies(task.lane) if task.state == "dead" else keys.bodies(task.lane)


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
