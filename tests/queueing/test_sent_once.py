"""When an idempotency key is taken, and when it is free."""

from typing import Any

import pytest
import redis
from dramatiq import Message

from actors.queueing.sent_once import SentOnce
from settings import keys
from settings.config import Settings
from settings.connections import result_client


def _message() -> Message[Any]:
    return Message(queue_name="inference", actor_name="embed", args=(), kwargs={}, options={})


def test_only_the_first_message_of_a_key_is_enqueued(settings: Settings) -> None:
    enqueued: list[Message[Any]] = []

    def enqueue(message: Message[Any]) -> Message[Any]:
        enqueued.append(message)
        return message

    with result_client(settings) as results:
        sent = [SentOnce(results, 60).send(_message(), "key", enqueue) for _ in range(3)]

        assert 0 < int(results.ttl(keys.idempotency("embed", "key"))) <= 60
    assert sent == enqueued * 3


@pytest.mark.parametrize("error", [redis.ConnectionError("gone"), TypeError("not JSON"), KeyboardInterrupt()])
def test_a_send_that_fails_leaves_its_key_free(settings: Settings, error: BaseException) -> None:
    def fail(message: Message[Any]) -> Message[Any]:
        raise error

    with result_client(settings) as results:
        with pytest.raises(type(error)):
            SentOnce(results, 60).send(_message(), "key", fail)

        assert not results.exists(keys.idempotency("embed", "key"))
