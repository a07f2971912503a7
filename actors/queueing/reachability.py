"""Tells a caller that Redis does not answer, in the caller's own terms."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from actors.errors import RedisUnreachable


@contextmanager
def redis_reached(*also: type[Exception]) -> Iterator[None]:
    """Around commands to Redis, awaited ones too; `also` are further errors that mean the same there.

    Raises:
      RedisUnreachable: When it does not answer.
    """
    unreachable: tuple[type[Exception], ...] = (redis.ConnectionError, redis.TimeoutError, *also)
    try:
        yield
    except unreachable as error:
        raise RedisUnreachable(f"Redis does not answer: {error}. Is it running, and is REDIS_URL right?") from error
