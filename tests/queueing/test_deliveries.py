"""A message that was delivered three times without an end is found out."""

import time

import pytest
import redis

from actors.queueing.deliveries import LIMIT, TTL_SECONDS, Deliveries, Delivery
from settings import keys


@pytest.fixture
def deliveries(queue_redis: redis.Redis) -> Deliveries:
    return Deliveries(queue_redis)


def delivery(number: int) -> Delivery:
    return Delivery(f"host-{number}", "cpu:0", at=float(number))


def test_a_message_with_unfinished_deliveries_up_to_the_limit_is_refused_with_them(deliveries: Deliveries) -> None:
    noted = [delivery(number) for number in range(LIMIT)]

    assert [deliveries.note("poison", each) for each in noted] == [()] * LIMIT
    assert deliveries.note("poison", delivery(LIMIT)) == tuple(noted)
    assert deliveries.note("poison", delivery(LIMIT)) == tuple(noted)


def test_a_delivery_whose_note_was_lost_on_its_way_back_is_counted_once(
    deliveries: Deliveries, queue_redis: redis.Redis
) -> None:
    for number in range(LIMIT - 1):
        deliveries.note("a", delivery(number))

    assert [deliveries.note("a", Delivery("host-9", "cpu:0", time.time())) for _ in range(2)] == [(), ()]

    assert queue_redis.llen(keys.deliveries("a")) == LIMIT


def test_a_process_with_the_name_of_a_dead_one_is_another(queue_redis: redis.Redis) -> None:
    for _ in range(LIMIT):  # each time a container starts, its processes may have the same numbers
        assert Deliveries(queue_redis).note("poison", Delivery("host-9", "cpu:0", time.time())) == ()

    assert len(Deliveries(queue_redis).note("poison", Delivery("host-9", "cpu:0", time.time()))) == LIMIT


def test_a_delivery_that_ended_before_anybody_asked_for_it_is_forgotten_too(
    deliveries: Deliveries, queue_redis: redis.Redis
) -> None:
    deliveries.note_all(["expired"], delivery(1), alone=False)
    deliveries.end("expired")
    deliveries.forget_ended()

    deliveries.note("expired", delivery(2))

    assert queue_redis.llen(keys.deliveries("expired")) == 1


def test_a_delivery_that_ended_is_forgotten_with_the_next_note(
    deliveries: Deliveries, queue_redis: redis.Redis
) -> None:
    deliveries.note("good", delivery(1))
    deliveries.end("good")
    deliveries.note("next", delivery(2))

    assert not queue_redis.exists(keys.deliveries("good"))
    assert queue_redis.llen(keys.deliveries("next")) == 1


def test_several_messages_are_noted_together_and_told_of_one_by_one(
    deliveries: Deliveries, queue_redis: redis.Redis
) -> None:
    for number in range(LIMIT):
        deliveries.note("poison", delivery(number))

    deliveries.note_all(["poison", "good"], delivery(LIMIT), alone=False)

    assert deliveries.note("good", delivery(LIMIT)) == ()
    assert len(deliveries.note("poison", delivery(LIMIT))) == LIMIT
    assert queue_redis.llen(keys.deliveries("good")) == 1


def test_the_last_delivery_of_a_message_is_not_noted_beside_others(
    deliveries: Deliveries, queue_redis: redis.Redis
) -> None:
    for number in range(LIMIT - 1):
        deliveries.note_all(["suspect", f"neighbour {number}"], delivery(number), alone=False)

    deliveries.note_all(["suspect", "good"], delivery(LIMIT), alone=False)

    assert deliveries.is_suspect("suspect")
    assert not deliveries.is_suspect("good")
    assert queue_redis.llen(keys.deliveries("suspect")) == LIMIT - 1
    deliveries.note_all(["suspect"], delivery(LIMIT), alone=True)
    assert not deliveries.is_suspect("suspect")
    assert deliveries.note("suspect", delivery(LIMIT)) == ()
    assert queue_redis.llen(keys.deliveries("suspect")) == LIMIT


def test_what_ended_last_is_forgotten_at_the_end(deliveries: Deliveries, queue_redis: redis.Redis) -> None:
    deliveries.note("last", delivery(1))
    deliveries.end("last")

    deliveries.forget_ended()

    assert not queue_redis.exists(keys.deliveries("last"))


def test_the_note_of_a_process_that_died_expires(deliveries: Deliveries, queue_redis: redis.Redis) -> None:
    deliveries.note("lost", delivery(1))

    assert 0 < queue_redis.ttl(keys.deliveries("lost")) <= TTL_SECONDS


def test_a_delivery_reads_as_who_where_and_when() -> None:
    assert str(Delivery("host-7", "cuda:1", at=0.0)) == "host-7 on cuda:1 at 1970-01-01 00:00:00 UTC"
