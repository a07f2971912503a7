"""What readers of a stream see of a text that had to be generated more than once."""

from collections.abc import Iterator

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import StreamInterrupted
from actors.queueing.stream_reader import StreamReader
from actors.queueing.streams import Stream, StreamPublisher
from settings import keys

MESSAGE = "message-1"


@pytest.fixture
def publisher(result_redis: redis.Redis) -> Iterator[StreamPublisher]:
    publisher = StreamPublisher(result_redis, ttl_seconds=60)
    yield publisher
    publisher.stop()


def _run(stream: Stream, *pieces: str) -> None:
    stream.begin()
    for piece in pieces:
        stream.write(piece)


def _read(client: redis.Redis, publisher: StreamPublisher, stream: Stream, reason: str = "") -> list[str]:
    """All pieces, as a client reads them after the end."""
    stream.end(reason, lambda: None)
    publisher.stop()
    return list(StreamReader().pieces(client.xread({keys.stream(MESSAGE): "0"})))


def test_a_text_that_comes_out_the_same_again_is_read_once(
    publisher: StreamPublisher, result_redis: redis.Redis
) -> None:
    stream = publisher.open(MESSAGE, 0)
    _run(stream, "A list", " is")
    _run(stream, "A", " list is a", " sequence.")

    assert _read(result_redis, publisher, stream) == ["A list", " is", " a", " sequence."]


@pytest.mark.parametrize("again", [["A list", " was", " a list"], ["A"], []])
def test_a_text_that_comes_out_otherwise_interrupts_its_reader(
    publisher: StreamPublisher, result_redis: redis.Redis, again: list[str]
) -> None:
    stream = publisher.open(MESSAGE, 0)
    _run(stream, "A list", " is")
    _run(stream, *again)

    with pytest.raises(StreamInterrupted, match="begun anew"):
        _read(result_redis, publisher, stream)
    assert _valid_text(result_redis) == "".join(again)


def test_what_failed_is_not_begun_anew(publisher: StreamPublisher, result_redis: redis.Redis) -> None:
    stream = publisher.open(MESSAGE, 0)
    _run(stream, "A list", " is")
    _run(stream)

    assert _read(result_redis, publisher, stream, reason="DeviceOutOfMemory") == ["A list", " is"]


def _valid_text(client: redis.Redis) -> str:
    """By the rule of docs/api.md: pieces before a `start` are void."""
    text = ""
    for _, fields in client.xrange(keys.stream(MESSAGE)):
        text = "" if b"start" in fields else text + fields.get(b"text", b"").decode()
    return text


class Recorded:
    """Keeps what a stream wants to have written."""

    def __init__(self) -> None:
        self.text = ""

    def put(self, entry: object) -> None:
        field, value = entry.field, entry.value  # type: ignore[attr-defined]  # the stream's own class
        self.text = "" if field == "start" else self.text + (value if field == "text" else "")


@given(st.lists(st.lists(st.text("ab", max_size=3), max_size=5), min_size=1, max_size=5))
def test_however_often_it_is_run_readers_have_the_last_text_at_the_end(runs: list[list[str]]) -> None:
    recorded = Recorded()
    stream = Stream("key", 0, recorded)  # type: ignore[arg-type]  # as much of a queue as it takes
    for run in runs:
        _run(stream, *run)

    stream.end("", lambda: None)

    assert recorded.text == "".join(runs[-1])
