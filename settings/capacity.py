"""How fast the cluster works a model's tasks off: device-seconds per task, and workers that take tasks.

Workers add what they measured to one hash a model. It holds a sum of seconds and a number of tasks, and both shrink
alike once there are `WINDOW_TASKS`, so their quotient follows the latest tasks. A fast worker adds more of them, which
makes it the mean that a queue is drained with when several workers of different speed share it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import redis

from settings import keys

#: A model's figure follows so many of its latest tasks, of all workers together.
WINDOW_TASKS = 200

#: Fewer tasks are no basis: the first ones of a model pay for warming it up.
LEAST_TASKS = 5

#: A model that has had no task for an hour has no figure.
SERVICE_TTL_SECONDS = 3_600

#: A worker counts for so many seconds after its last beat, as long as its record: a driver's call may keep it silent.
LIVE_SECONDS = 30

_NOTE = """
local known = redis.call('HMGET', KEYS[1], 'seconds', 'tasks')
local seconds, tasks = tonumber(known[1] or 0), tonumber(known[2] or 0)
local room, keep = math.max(0, ARGV[3] - ARGV[2]), 1
if tasks > room then keep = room / tasks end
redis.call('HSET', KEYS[1], 'seconds', ARGV[1] + keep * seconds, 'tasks', ARGV[2] + keep * tasks)
redis.call('EXPIRE', KEYS[1], ARGV[4])
"""

_READ = """
local workers = redis.call('ZCOUNT', KEYS[1], redis.call('TIME')[1] - ARGV[1], '+inf')
local service = redis.call('HMGET', KEYS[2], 'seconds', 'tasks')
local depths = {}
for index = 3, #KEYS do depths[index - 2] = redis.call('LLEN', KEYS[index]) end
return {workers, service[1], service[2], depths}
"""


@dataclass(frozen=True)
class Capacity:
    """What is known at one moment."""

    workers: int
    """Processes with a device that take tasks."""
    seconds_per_task: float | None
    """None when too few tasks of the model have been measured of late."""
    depths: tuple[int, ...] = ()
    """How many tasks wait in each of the lists that were asked for."""

    def with_one_more(self) -> Self:
        """What it is when a task has joined the last of the lists."""
        return replace(self, depths=(*self.depths[:-1], self.depths[-1] + 1))

    def wait_seconds(self, tasks_ahead: int) -> float | None:
        """How long so many tasks keep all workers busy; None when there is no basis to tell."""
        if self.seconds_per_task is None or self.workers == 0:
            return None
        return tasks_ahead * self.seconds_per_task / self.workers


def note_service(pipe: Any, model: str, seconds: float, tasks: int) -> None:
    """Adds to a pipeline that a worker's device has spent so many seconds on so many tasks of a model."""
    pipe.eval(_NOTE, 1, keys.service(model), seconds, tasks, WINDOW_TASKS, SERVICE_TTL_SECONDS)


def ask_capacity(pipe: Any, model: str) -> None:
    """Adds to a pipeline what `read_capacity` needs; writes nothing."""
    names, arguments = CapacityReader.words(model)
    pipe.eval(_READ, len(names), *names, *arguments)


def read_capacity(answer: Sequence[Any]) -> Capacity:
    """The capacity at the moment that it was asked for."""
    workers, seconds, tasks, depths = answer
    return Capacity(workers, _quotient(seconds, tasks), tuple(depths))


class CapacityReader:
    """Reads the capacity for a model and the depths of lists in one round trip; writes nothing."""

    def __init__(self, client: redis.Redis) -> None:
        self.script = client.register_script(_READ)
        """Answers what `read_capacity` reads, for what `words` returns."""

    @staticmethod
    def words(model: str, lists: Sequence[str] = ()) -> tuple[Sequence[Any], Sequence[Any]]:
        """The keys and the arguments of the script."""
        return [keys.DEVICES, keys.service(model), *map(keys.ready, lists)], [LIVE_SECONDS]

    def read(self, model: str, lists: Sequence[str] = ()) -> Capacity:
        """The capacity at this moment, by Redis' clock.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        asked, arguments = self.words(model, lists)
        return read_capacity(cast("Sequence[Any]", self.script(keys=asked, args=arguments)))


def _quotient(seconds: bytes | None, tasks: bytes | None) -> float | None:
    if seconds is None or tasks is None or float(tasks) < LEAST_TASKS:
        return None
    return float(seconds) / float(tasks)
