"""Inputs that are too large for a message: kept in the result database under their own hash, until they expire."""

import hashlib
from collections.abc import Sequence
from typing import Any, cast

import orjson
import redis

from actors.errors import InputNotFound, InvalidRequest, RequestTooLarge
from actors.payloads import BlobReference, ReadAs
from settings import keys


class Blobs:
    """Stores contents and fetches them. The same content has one key, whoever puts it."""

    def __init__(self, client: redis.Redis, max_bytes: int, ttl_seconds: int) -> None:
        self._client, self._max_bytes, self._ttl_seconds = client, max_bytes, ttl_seconds

    def put(self, content: object) -> BlobReference:
        """Keeps bytes, a text or a JSON value, and says by what it can be named in a request.

        Raises:
          InvalidRequest: When it is empty or cannot be written as JSON.
          RequestTooLarge: When it takes more than MAX_BLOB_BYTES.
          redis.RedisError: When Redis does not answer.
        """
        stored, read_as = _encoded(content)
        self._check(len(stored))
        reference = BlobReference.of(hashlib.sha256(stored).hexdigest(), read_as)
        key = keys.blob(reference.digest)
        if not self._client.expire(key, self._ttl_seconds):
            self._client.set(key, stored, ex=self._ttl_seconds)
        return reference

    def renew(self, references: Sequence[BlobReference]) -> dict[str, InvalidRequest | InputNotFound]:
        """Makes contents last from now on, before tasks that need them are sent; one round trip.

        Returns, by digest, what is wrong with those that have expired or are too large.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        if not (digests := [reference.digest for reference in references]):
            return {}
        with self._client.pipeline(transaction=False) as pipe:
            for digest in digests:
                pipe.expire(keys.blob(digest), self._ttl_seconds)
                pipe.strlen(keys.blob(digest))
            sizes = pipe.execute()[1::2]
        faults: dict[str, InvalidRequest | InputNotFound] = {}
        for digest, size in zip(digests, sizes, strict=True):
            if not size:
                faults[digest] = _expired(digest)
            elif size > self._max_bytes:
                faults[digest] = self._too_large()
        return faults

    def fetch(self, reference: BlobReference) -> bytes:
        """A content; of one that is too large, no more than shows it is fetched.

        Raises:
          InputNotFound: When it has expired.
          RequestTooLarge: When it takes more than MAX_BLOB_BYTES.
          redis.RedisError: When Redis does not answer.
        """
        content = cast("bytes", self._client.getrange(keys.blob(reference.digest), 0, self._max_bytes))
        if not content:
            raise _expired(reference.digest)
        self._check(len(content))
        return content

    def _check(self, size: int) -> None:
        if not size:
            raise InvalidRequest("the content is empty")
        if size > self._max_bytes:
            raise self._too_large()

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"the content has more than {self._max_bytes:,} bytes (MAX_BLOB_BYTES)")


def _encoded(content: object) -> tuple[bytes, ReadAs | None]:
    """What is stored, and how it is to be read; bytes are whatever their field makes of them."""
    if isinstance(content, bytes):
        return content, None
    try:
        return (content.encode(), "text") if isinstance(content, str) else (orjson.dumps(content), "json")
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"the content cannot be written as UTF-8 or JSON: {error}") from None


def _expired(digest: str) -> InputNotFound:
    return InputNotFound(
        f"the content {digest[:12]}… is not there or has expired: put it again, then send (RESULT_TTL is how long it is"
        " kept after `put` and after `send`)"
    )


def as_json(reference: BlobReference) -> dict[str, Any]:
    """What stands in a request."""
    return reference.model_dump(by_alias=True, exclude_none=True)
