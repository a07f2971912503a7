"""Steps of a task's end that wait for a Redis that is away: what they write would be lost with the acknowledgement."""

import logging
import time
from collections.abc import Callable

import redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError

logger = logging.getLogger(__name__)

#: How long a worker thread tries; the task is not acknowledged before.
PATIENCE_SECONDS = 600.0

#: What a Redis says that will take it later.
PASSING = (redis.ConnectionError, redis.TimeoutError, OutOfMemoryError, ReadOnlyError)

#: Between two tries.
RETRY_SECONDS = 0.5


def until_redis_answers(step: Callable[[], object], what: str) -> None:
    """Repeats a step that may be done twice until Redis answers it; `what` it sends is named in the log.

    Raises:
      redis.RedisError: When Redis was away for too long.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            step()
            return
        except redis.RedisError as error:
            if not may_pass(error):
                raise
            if time.monotonic() > deadline:
                logger.error("%s is lost: Redis has been away for too long: %s", what, error)
                raise
            logger.warning("%s is kept until Redis answers again: %s", what, error)
            time.sleep(RETRY_SECONDS)


def may_pass(error: redis.RedisError) -> bool:
    """Whether Redis is away or cannot take anything for now: it is full, a replica, or cannot write to its disk."""
    return isinstance(error, PASSING) or "MISCONF " in str(error)  # a pipeline's error says first which command failed
