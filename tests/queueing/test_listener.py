"""A listener listens for as long as its process lives, whatever is published and whatever its hooks make of it."""

import logging
from collections.abc import Iterator

import pytest
import redis

from actors.queueing import listener
from actors.queueing.doorbell import Doorbell
from actors.queueing.listener import Listener
from settings import keys
from tests.waiting import wait_until


class Heard:
    """A listener's hooks, which fail when they are told to."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []
        self.catches_up_with: Exception | None = None

    def hear(self, channel: str, content: bytes) -> None:
        """Remembers what it heard."""
        if content == b"bad":
            raise ValueError("cannot be dealt with")
        self.contents.append(content)

    def catch_up(self) -> None:
        """Finds nothing."""
        if self.catches_up_with:
            raise self.catches_up_with


@pytest.fixture
def heard(queue_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Heard:
    monkeypatch.setattr(listener, "RECONNECT_SECONDS", 1_000.0)  # who has to connect again is deaf
    return Heard()


@pytest.fixture
def listening(queue_redis: redis.Redis, heard: Heard) -> Iterator[Listener]:
    listening = Listener(queue_redis, "a-channel*", heard.hear, heard.catch_up)
    yield listening
    listening.stop()


def publish(client: redis.Redis, content: bytes, channel: bytes | str = "a-channel") -> bool:
    """Whether anybody listens to what is published now."""
    return bool(client.publish(channel, content))


def test_a_message_that_cannot_be_dealt_with_is_logged_and_the_next_is_heard(
    queue_redis: redis.Redis, listening: Listener, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    listening.start()
    wait_until(lambda: publish(queue_redis, b"bad"), "it listens")

    publish(queue_redis, b"good")

    wait_until(lambda: heard.contents == [b"good"], "the next one is heard")
    assert "ValueError: cannot be dealt with" in caplog.text


def test_a_failure_to_catch_up_is_logged_and_what_comes_is_heard(
    queue_redis: redis.Redis, listening: Listener, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    heard.catches_up_with = ValueError("cannot catch up")

    listening.start()
    wait_until(lambda: publish(queue_redis, b"good"), "it listens")

    wait_until(lambda: heard.contents, "it is heard")
    assert "ValueError: cannot catch up" in caplog.text


def test_a_channel_whose_name_is_not_utf_8_deafens_nobody(
    queue_redis: redis.Redis, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    doorbell = Doorbell(queue_redis)
    arrival = doorbell.event("inference")
    wait_until(lambda: publish(queue_redis, b"", keys.bell("").encode() + b"\xff"), "it listens")
    arrival.clear()

    with caplog.at_level(logging.ERROR):
        Doorbell(queue_redis).ring("inference")
        wait_until(arrival.is_set, "the ring is heard", 5)

    assert not caplog.text
    doorbell._listener.stop()
