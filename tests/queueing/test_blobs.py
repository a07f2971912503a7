"""Large inputs in Redis: what is put comes back, until it expires."""

from collections.abc import Iterator

import pytest
import redis

from actors.errors import InputNotFound, InvalidRequest, RequestTooLarge
from actors.payloads import BlobReference
from actors.queueing.blobs import Blobs
from settings import keys
from settings.config import Settings
from settings.connections import result_client

MISSING = BlobReference.of("0" * 64, None)


@pytest.fixture
def results(settings: Settings) -> Iterator[redis.Redis]:
    with result_client(settings) as client:
        yield client


@pytest.fixture
def blobs(results: redis.Redis) -> Blobs:
    """Contents of up to a thousand bytes, for a minute."""
    return Blobs(results, max_bytes=1_000, ttl_seconds=60)


@pytest.mark.parametrize(
    ("content", "stored", "read_as"),
    [
        (b"\x00\xff", b"\x00\xff", None),
        ("größer", "größer".encode(), "text"),
        (["a", {"b": 1.5}, None], b'["a",{"b":1.5},null]', "json"),
        (5, b"5", "json"),
    ],
)
def test_what_is_put_can_be_fetched(blobs: Blobs, content: object, stored: bytes, read_as: str | None) -> None:
    reference = blobs.put(content)

    assert blobs.fetch(reference) == stored
    assert reference.read_as == read_as


def test_a_content_expires(blobs: Blobs, results: redis.Redis) -> None:
    key = keys.blob(blobs.put("a text").digest)

    assert 0 < results.ttl(key) <= 60


def test_the_same_content_has_one_key_and_lasts_from_the_last_put(blobs: Blobs, results: redis.Redis) -> None:
    first = blobs.put(["a text"])
    results.expire(keys.blob(first.digest), 5)

    second = blobs.put(b'["a text"]')

    assert second.digest == first.digest
    assert results.dbsize() == 1
    assert results.ttl(keys.blob(first.digest)) > 5


def test_a_content_lasts_from_the_send_of_its_task(blobs: Blobs, results: redis.Redis) -> None:
    reference = blobs.put("a text")
    results.expire(keys.blob(reference.digest), 5)

    assert blobs.renew([reference]) == {}
    assert results.ttl(keys.blob(reference.digest)) > 5


def test_what_is_not_there_is_told_at_send_and_at_claim(blobs: Blobs) -> None:
    faults = blobs.renew([blobs.put("a text"), MISSING])

    assert faults.keys() == {MISSING.digest}
    assert isinstance(faults[MISSING.digest], InputNotFound)
    assert "000000000000… is not there or has expired: put it again" in str(faults[MISSING.digest])
    with pytest.raises(InputNotFound, match="has expired"):
        blobs.fetch(MISSING)


def test_without_references_nothing_is_asked() -> None:
    nowhere = redis.Redis(port=1)

    assert Blobs(nowhere, 1_000, 60).renew([]) == {}


@pytest.mark.parametrize("content", [b"x" * 1_001, "x" * 1_001, ["x" * 997]])
def test_too_large_a_content_is_not_put(blobs: Blobs, results: redis.Redis, content: object) -> None:
    with pytest.raises(RequestTooLarge, match=r"more than 1,000 bytes \(MAX_BLOB_BYTES\)"):
        blobs.put(content)

    assert results.dbsize() == 0


def test_the_largest_content_is_put(blobs: Blobs) -> None:
    assert len(blobs.fetch(blobs.put(b"x" * 1_000))) == 1_000


def test_the_limit_of_whoever_reads_holds_too(blobs: Blobs, results: redis.Redis) -> None:
    large = Blobs(results, max_bytes=5_000, ttl_seconds=60).put(b"x" * 2_000)

    assert isinstance(blobs.renew([large])[large.digest], RequestTooLarge)
    with pytest.raises(RequestTooLarge):
        blobs.fetch(large)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"", "is empty"), ("", "is empty"), ({1, 2}, "JSON"), ("\udc80", "UTF-8"), (object(), "JSON")],
)
def test_what_cannot_be_written_is_refused(blobs: Blobs, content: object, complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        blobs.put(content)
