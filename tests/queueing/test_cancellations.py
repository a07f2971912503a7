"""How a worker process hears which of its tasks are cancelled."""

from collections.abc import Iterator

import pytest
import redis

from actors.queueing.cancellations import Cancellations, TaskInHand
from settings import keys
from settings.config import Settings
from settings.connections import result_client
from tests.waiting import wait_until


@pytest.fixture
def results(settings: Settings) -> Iterator[redis.Redis]:
    with result_client(settings) as client:
        yield client


@pytest.fixture
def cancellations(results: redis.Redis) -> Iterator[Cancellations]:
    cancellations = Cancellations(results)
    yield cancellations
    cancellations.stop()


def _is_listening(results: redis.Redis) -> bool:
    return results.publish(keys.CANCELS, "nobody") > 0


def test_only_the_task_that_is_cancelled_is_told(cancellations: Cancellations, results: redis.Redis) -> None:
    cancellations.start()
    wait_until(lambda: _is_listening(results), "the listener listens")

    one, other, ended = TaskInHand("one"), TaskInHand("other"), TaskInHand("one")
    cancellations.add([one, other, ended])
    cancellations.discard([ended])
    results.publish(keys.CANCELS, "one")

    wait_until(lambda: one.is_cancelled, "it is cancelled")
    assert not other.is_cancelled
    assert not ended.is_cancelled


def test_what_was_cancelled_while_nobody_listened_is_found(cancellations: Cancellations, results: redis.Redis) -> None:
    one = TaskInHand("one")
    cancellations.add([one])
    results.set(keys.cancelled("one"), b"")

    cancellations.start()

    wait_until(lambda: one.is_cancelled, "it is cancelled")


def test_a_broken_connection_is_made_again(cancellations: Cancellations, results: redis.Redis) -> None:
    cancellations.start()
    wait_until(lambda: _is_listening(results), "the listener listens")

    one = TaskInHand("one")
    cancellations.add([one])
    results.set(keys.cancelled("one"), b"")
    results.client_kill_filter(_type="pubsub")

    wait_until(lambda: one.is_cancelled, "it is cancelled")
