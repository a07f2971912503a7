"""Tells a caller that Redis does not answer or takes nothing, in the caller's own terms."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError

from actors.errors import RedisUnreachable
from actors.queueing.patience import may_pass

#: What it means, and what to do; the first that an error is. AuthenticationError says all that by itself.
_MEANINGS: dict[type[Exception], str] = {
    redis.AuthenticationError: "Redis refuses: {}",
    BusyLoadingError: "Redis is reading its data from disk: {}. Try again in some seconds.",
    OutOfMemoryError: "Redis is full: {}. Give it more memory (maxmemory), or wait until tasks and results are gone.",
    ReadOnlyError: "Redis is read-only: {}. Does REDIS_URL, or RESULT_BACKEND_URL, name a replica?",
    redis.ResponseError: "Redis cannot write to its disk: {}. Its log says why.",
}

_AWAY = "Redis does not answer: {}. Is it running, and is REDIS_URL right?"


@contextmanager
def redis_reached(*also: type[Exception]) -> Iterator[None]:
    """Around commands to Redis, awaited ones too; `also` are further errors that mean the same there.

    Raises:
      RedisUnreachable: When it does not answer, or takes nothing for now.
    """
    kinds: tuple[type[Exception], ...] = (redis.RedisError, *also)
    try:
        yield
    except kinds as error:
        if isinstance(error, redis.RedisError) and not may_pass(error):
            raise
        raise RedisUnreachable(_meaning(error)) from error


def _meaning(error: Exception) -> str:
    text = next((text for kind, text in _MEANINGS.items() if isinstance(error, kind)), _AWAY)
    return text.format(str(error).rstrip("."))
