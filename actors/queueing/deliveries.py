"""Counts the deliveries of each message that have not ended, so that one which kills its processes is found out."""

import contextlib
import json
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import redis

from actors.queueing.commands import Command, call, command, execute
from settings import keys

#: A message with so many deliveries that did not end is not run again. The last of them is alone in its process, so
#: that messages which were beside the culprit before are told from it.
LIMIT = 3

#: As long as dead letters are kept, whose history this is.
TTL_SECONDS = 86_400

#: Notes a delivery of each message of which there have not been too many; returns those of each other. A process is
#: noted once for a message: when it asks again, the answer was lost.
_NOTE = """
local limit, delivery, ttl, worker, since = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local refused = {}
local function is_noted(entry)
    local noted = cjson.decode(entry)
    return noted.worker_id == worker and noted.at >= since
end
for index, history in ipairs(KEYS) do
    local unfinished = redis.call('LRANGE', history, 0, -1)
    refused[index] = {}
    if #unfinished == 0 or not is_noted(unfinished[#unfinished]) then
        if #unfinished >= limit then
            refused[index] = unfinished
        else
            redis.call('RPUSH', history, delivery)
            redis.call('EXPIRE', history, ttl)
        end
    end
end
return refused
"""


@dataclass(frozen=True)
class Delivery:
    """Who was given a message, and when, in seconds since the epoch."""

    worker_id: str
    device: str
    """As `HOST/NAME`."""
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
        self._script = client.register_script(_NOTE)
        self._client = client
        self._since = time.time()
        """Before all of this process's deliveries, and after those of one that had its name."""
        self._ended: deque[str] = deque()
        self._noted: dict[str, tuple[Delivery, ...]] = {}

    def note(self, redis_id: str, delivery: Delivery) -> tuple[Delivery, ...]:
        """Notes a delivery and returns nothing; or notes nothing and returns the unfinished ones that are the limit.

        What `note_all` has noted is not noted again.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        if redis_id not in self._noted:
            self.note_all([redis_id], delivery, alone=True)
        return self._noted.pop(redis_id)

    def note_all(
        self, redis_ids: Sequence[str], delivery: Delivery, questions: Sequence[Command] = (), *, alone: bool
    ) -> Sequence[Any]:
        """Notes one delivery of several messages; `note` then tells of each. Answers `questions` in one round trip.

        The last delivery of a message is not noted unless it is `alone` in its process; `is_suspect` tells of it.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        words = (
            LIMIT if alone else LIMIT - 1,
            json.dumps(asdict(delivery)),
            TTL_SECONDS,
            delivery.worker_id,
            self._since,
        )
        note = call(self._script, [keys.deliveries(redis_id) for redis_id in redis_ids], words)
        ended = self._take_ended()
        noted, *answers = execute(self._client, [note, *questions, *([command("DEL", *ended)] if ended else [])])
        for redis_id, unfinished in zip(redis_ids, noted, strict=True):
            self._noted[redis_id] = _read(unfinished)
        return answers[: len(questions)]

    def is_suspect(self, redis_id: str) -> bool:
        """Whether `note_all` left out the last delivery of a message; it is to be noted again, alone."""
        if len(self._noted.get(redis_id, ())) != LIMIT - 1:
            return False
        self._noted.pop(redis_id, None)  # unless the finisher has, because it expired
        return True

    def end(self, redis_id: str) -> None:
        """A delivery was acknowledged, rejected or replaced by a retry."""
        self._noted.pop(redis_id, None)  # nobody has asked when it was refused before its hook
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


def histories_of(client: redis.Redis, redis_ids: Collection[str]) -> dict[str, tuple[Delivery, ...]]:
    """The deliveries of each of these messages that have not ended, the oldest first.

    Raises:
      redis.RedisError: When Redis does not answer.
    """
    with client.pipeline(transaction=False) as pipe:
        for redis_id in redis_ids:
            pipe.lrange(keys.deliveries(redis_id), 0, -1)
        return dict(zip(redis_ids, map(_read, pipe.execute()), strict=True))


def forgive(client: redis.Redis, redis_ids: Collection[str], worker_ids: Collection[str]) -> None:
    """Drops what some workers did not end from the histories of some messages: it was not the messages' fault.

    Raises:
      redis.RedisError: When Redis does not answer.
    """
    histories = [keys.deliveries(redis_id) for redis_id in redis_ids]
    with client.pipeline(transaction=False) as pipe:
        for history in histories:
            pipe.lrange(history, 0, -1)
        for history, entries in zip(histories, pipe.execute(), strict=True):
            for entry in entries:
                if json.loads(entry)["worker_id"] in worker_ids:
                    pipe.lrem(history, 1, entry)
        pipe.execute()


def _read(history: Iterable[bytes]) -> tuple[Delivery, ...]:
    return tuple(Delivery(**json.loads(entry)) for entry in history)
