"""Task results in Redis, as Dramatiq keeps them, written so that a restart of Redis loses none."""

import logging
import time
from typing import Any, NamedTuple, cast

import orjson
import redis
from dramatiq import Broker
from dramatiq.encoder import Encoder
from dramatiq.results import ResultTimeout
from dramatiq.results.backend import DEFAULT_TIMEOUT
from dramatiq.results.backends import RedisBackend

from settings import keys
from settings.config import Settings
from settings.connections import RESULTS_BLOCK_SECONDS, result_client

logger = logging.getLogger(__name__)

#: How long a worker thread tries to store a result while Redis is away; the task is not acknowledged before.
STORE_PATIENCE_SECONDS = 600.0

#: Between two tries.
STORE_RETRY_SECONDS = 0.5


#: The first result of a task stays: one that runs twice has one result, and a reader never sees it change.
_STORE_FIRST = """
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('LPUSH', KEYS[1], ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
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


class ResultBackend(RedisBackend):  # type: ignore[misc]  # dramatiq's backends are untyped
    """Dramatiq's own backend with readable keys: `dramatiq-results:QUEUE:ACTOR:MESSAGE_ID`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            client=result_client(settings),
            namespace=keys.RESULTS_NAMESPACE,
            encoder=OrjsonEncoder(),
            use_namespace_prefix_keys=True,
        )

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

    def claim_state(self, message: Any) -> ClaimState:
        """Looks once, in one round trip, whether a task is still to be run; it is when Redis does not answer."""
        try:
            with self.client.pipeline(transaction=False) as pipe:
                pipe.exists(self.build_message_key(message))
                pipe.exists(keys.cancelled(message.message_id))
                has_result, is_cancelled = pipe.execute()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            logger.warning("Whether %s is still to be run is not known: %s", message.message_id, error)
            return ClaimState(has_result=False, is_cancelled=False)
        return ClaimState(bool(has_result), bool(is_cancelled))

    def store_result(self, message: Any, result: Any, ttl: int) -> None:
        super().store_result(message, result, ttl)
        self._announce(message)

    def store_exception(self, message: Any, exception: Exception, ttl: int) -> None:
        super().store_exception(message, exception, ttl)
        self._announce(message)

    def _announce(self, message: Any) -> None:
        """Tells the sender, when it listens; it looks by itself when this is lost."""
        if isinstance(channel := message.options.get("reply_to"), str):
            try:
                self.client.publish(channel, self.build_message_key(message))
            except redis.RedisError as error:
                logger.debug("The result of %s was not announced: %s", message.message_id, error)

    def _store(self, message_key: str, result: Any, ttl: int) -> None:
        deadline = time.monotonic() + STORE_PATIENCE_SECONDS
        while True:
            try:
                self.client.eval(_STORE_FIRST, 1, message_key, self.encoder.encode(result), str(ttl))
                return
            except (redis.ConnectionError, redis.TimeoutError) as error:
                if time.monotonic() > deadline:
                    logger.error("The result %s is lost: Redis has been away for too long: %s", message_key, error)
                    raise
                logger.warning("The result %s is kept until Redis answers again: %s", message_key, error)
                time.sleep(STORE_RETRY_SECONDS)


def _block_seconds(seconds: float) -> Any:
    """One blocking read's share of a wait; redis-py's types say int, and Redis takes fractions."""
    return min(seconds, RESULTS_BLOCK_SECONDS)


def result_backend(broker: Broker) -> ResultBackend:
    """The backend of a broker that `actors.broker.create_broker` made."""
    return cast("ResultBackend", broker.get_results_backend())
