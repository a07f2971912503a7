"""Messages that are sent once however often their sender tries: the first of an idempotency key stands for all."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import redis
from dramatiq import Message

from actors.errors import InvalidRequest
from settings import keys

#: The longest idempotency key in characters.
MAX_KEY_CHARACTERS = 200


class SentOnce:
    """Remembers the first message of each actor and idempotency key for as long as its result is kept."""

    def __init__(self, client: redis.Redis, ttl_seconds: int) -> None:
        self._client, self._ttl_seconds = client, ttl_seconds

    def first(self, actor: str, idempotency_key: str) -> Message[Any] | None:
        """The message that stands for a key, if there is one.

        Raises:
          InvalidRequest: When the key is not one.
          redis.RedisError: When Redis does not answer.
        """
        stored = cast("bytes | None", self._client.get(keys.idempotency(actor, _checked(idempotency_key))))
        return None if stored is None else Message.decode(stored)

    def send(
        self, message: Message[Any], idempotency_key: str, enqueue: Callable[[Message[Any]], Message[Any]]
    ) -> Message[Any]:
        """Enqueues a message, unless there is an earlier one; returns the one that stands.

        Raises:
          InvalidRequest: When the key is not one.
          redis.RedisError: When Redis does not answer.
          Exception: What `enqueue` raises; the key is then free again as far as that can be reached.
        """
        place = keys.idempotency(message.actor_name, _checked(idempotency_key))
        while not self._client.set(place, message.encode(), nx=True, ex=self._ttl_seconds):
            if first := self.first(message.actor_name, idempotency_key):  # None when it has just expired
                return first
        try:
            return enqueue(message)
        except BaseException:
            with suppress(redis.RedisError):
                self._client.delete(place)
            raise


def _checked(key: object) -> str:
    if not (isinstance(key, str) and 1 <= len(key) <= MAX_KEY_CHARACTERS and key.isprintable()):
        raise InvalidRequest(f"idempotency_key={key!r:.80}: 1 to {MAX_KEY_CHARACTERS} printable characters are needed")
    return key
