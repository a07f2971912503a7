"""Task results in Redis, as Dramatiq keeps them, written so that a restart of Redis loses none."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import orjson
import redis
from dramatiq import Broker
from dramatiq.encoder import Encoder
from dramatiq.results import ResultTimeout
from dramatiq.results.backend import DEFAULT_TIMEOUT
from dramatiq.results.backends import RedisBackend
from dramatiq.results.result import wrap_exception, wrap_result

from actors.errors import InferenceFailed
from actors.queueing.commands import Command, call, execute
from actors.queueing.patience import until_redis_answers
from settings import keys
from settings.config import Settings
from settings.connections import RESULTS_BLOCK_SECONDS, result_client

logger = logging.getLogger(__name__)

#: The largest result that its announcement carries.
TOLD_BYTES = 16_384

#: The first result of a task stays: one that runs twice has one result, and a reader never sees it change.
#: The channel is its sender's, who looks by itself when the word is lost. A channel is told once of all of its results:
#: of each a line with its key, and one with the result, which is JSON, or nothing when it is large.
_STORE_FIRST = f"""
local told = {{}}
for index, key in ipairs(KEYS) do
    local result, ttl, channel = ARGV[3 * index - 2], ARGV[3 * index - 1], ARGV[3 * index]
    if redis.call('EXISTS', key) == 0 then
        redis.call('LPUSH', key, result)
        redis.call('PEXPIRE', key, ttl)
        if channel ~= '' then
            local lines = told[channel] or {{}}
            lines[#lines + 1], lines[#lines + 2] = key, #result <= {TOLD_BYTES} and result or ''
            told[channel] = lines
        end
    end
end
for channel, lines in pairs(told) do redis.call('PUBLISH', channel, table.concat(lines, '\\n')) end
"""

#: Whether each first key of two exists, and whether each second does.
_STATES = """
local states = {}
for index = 1, #KEYS, 2 do
    states[#states + 1] = {redis.call('EXISTS', KEYS[index]), redis.call('EXISTS', KEYS[index + 1])}
end
return states
"""


class OrjsonEncoder(Encoder):
    """JSON as everywhere else, ten times as fast for lists of numbers."""

    def encode(self, data: Any) -> bytes:
        return orjson.dumps(data)

    def decode(self, data: bytes) -> Any:
        return orjson.loads(data)


class ClaimState(NamedTuple):
    """What is known of a task when a worker takes it."""

    has_result: bool
    is_cancelled: bool

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to run."""
        return self.has_result or self.is_cancelled


class _Store(NamedTuple):
    """What is to be stored under a key: the result, its time to live in milliseconds, and where it is announced."""

    key: str
    words: tuple[Any, ...]


#: Runs commands on the server of the results and returns their answers.
Ask = Callable[[Sequence[Command]], Sequence[Any]]


class ResultBackend(RedisBackend):  # type: ignore[misc]  # dramatiq's backends are untyped
    """Dramatiq's own backend with readable keys: `dramatiq-results:QUEUE:ACTOR:MESSAGE_ID`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            client=result_client(settings),
            namespace=keys.RESULTS_NAMESPACE,
            encoder=OrjsonEncoder(),
            use_namespace_prefix_keys=True,
        )
        self._store_first_script = self.client.register_script(_STORE_FIRST)
        self._states_script = self.client.register_script(_STATES)
        self._gathered = threading.local()

    client: redis.Redis

    def get_result(self, message: Any, *, block: bool = False, timeout: int | None = None) -> Any:
        """Dramatiq's `message.get_result`, in reads that are shorter than the connection's timeout."""
        if not block:
            return super().get_result(message)
        seconds = (DEFAULT_TIMEOUT if timeout is None else timeout) / 1000
        if (stored := self.wait(self.build_message_key(message), seconds)) is None:
            raise ResultTimeout(message)
        return self.unwrap_result(self.encoder.decode(stored))

    def wait(self, key: str, seconds: float) -> bytes | None:
        """The stored result, None when there is none after `seconds`.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        deadline = time.monotonic() + seconds
        while (remaining := deadline - time.monotonic()) > 0:
            # Moving the only element onto itself is a blocking look at it (Redis 6.2).
            stored: Any = self.client.blmove(key, key, _block_seconds(remaining), "RIGHT", "LEFT")
            if stored is not None:
                return bytes(stored)
        last_look: Any = self.client.lindex(key, 0)
        return last_look if last_look is None else bytes(last_look)

    def claim_states(self, messages: Sequence[Any], ask: Ask | None = None) -> list[ClaimState]:
        """Looks whether tasks are still to be run. `ask` runs the command.

        Raises:
          redis.RedisError: When Redis does not answer, or refuses.
        """
        names = [
            key for message in messages for key in (self.build_message_key(message), keys.cancelled(message.message_id))
        ]
        (states,) = (ask or self._ask)([call(self._states_script, names, ())])
        return [ClaimState(bool(has_result), bool(is_cancelled)) for has_result, is_cancelled in states]

    def _ask(self, commands: Sequence[Command]) -> Sequence[Any]:
        return execute(self.client, commands)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Stores what this thread stores meanwhile in one round trip, at the end.

        Raises:
          redis.RedisError: When Redis was away for too long.
        """
        stores: list[_Store] = []
        self._gathered.stores = stores
        try:
            yield
        finally:
            self._gathered.stores = None
        if stores:
            self._store_patiently(stores)

    def store_result(self, message: Any, result: Any, ttl: int) -> None:
        self._store_first(message, wrap_result(result), ttl)

    def store_exception(self, message: Any, exception: Exception, ttl: int) -> None:
        self._store_first(message, wrap_exception(exception), ttl)

    def _store_first(self, message: Any, wrapped: Any, ttl: int) -> None:
        channel = message.options.get("reply_to")
        words = (self._encoded(message, wrapped), ttl, channel if isinstance(channel, str) else "")
        store = _Store(self.build_message_key(message), words)
        if (gathered := getattr(self._gathered, "stores", None)) is not None:
            gathered.append(store)
        else:
            self._store_patiently([store])

    def _encoded(self, message: Any, wrapped: Any) -> Any:
        """What JSON cannot carry becomes a failure: its message is acknowledged, and nobody would be told anything."""
        try:
            return self.encoder.encode(wrapped)
        except orjson.JSONEncodeError as error:
            logger.error("The result of %s %s is lost: %s.", message.actor_name, message.message_id, error)
            failure = InferenceFailed(f"the result cannot be written as JSON: {error}")
            return self.encoder.encode(wrap_exception(failure))

    def _store_patiently(self, stores: Sequence[_Store]) -> None:
        words = [word for store in stores for word in store.words]
        store_all = call(self._store_first_script, [store.key for store in stores], words)
        until_redis_answers(lambda: execute(self.client, [store_all]), f"What {len(stores)} task(s) ended with")


def _block_seconds(seconds: float) -> Any:
    """One blocking read's share of a wait; redis-py's types say int, and Redis takes fractions."""
    return min(seconds, RESULTS_BLOCK_SECONDS)


def result_backend(broker: Broker) -> ResultBackend:
    """The backend of a broker that `actors.broker.create_broker` made."""
    return cast("ResultBackend", broker.get_results_backend())
