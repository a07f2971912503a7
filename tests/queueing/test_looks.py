"""A look takes tasks itself where the claim policy has no choice, and never otherwise."""

import itertools
from collections.abc import Callable, Collection
from typing import Any

import pytest
import redis
from dramatiq import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.broker import create_broker
from actors.queueing.claims import Claim, Claimant, LaneHead, choose_claim
from actors.queueing.lanes import LaneReader, Look
from settings import keys
from settings.config import Settings

SWAP_MAX_WAIT = 10.0

MODELS = ("org/a", "org/b")

LANES = [keys.INFERENCE_QUEUE, *(f"inference.{rank}.{model}" for rank in ("high", "low") for model in MODELS)]


def put(client: redis.Redis, waiting: dict[str, int], free_others: Collection[Collection[str]]) -> None:
    """Starts anew with so many tasks in each lane, and other workers that said just now that they are free."""
    client.flushdb()
    for lane, depth in waiting.items():
        ids = [f"{lane}-{number}" for number in range(depth)]
        client.rpush(keys.ready(lane), *ids)
        client.hset(keys.bodies(lane), mapping={each: each for each in ids})
        if lane != keys.INFERENCE_QUEUE:
            client.sadd(keys.LANES, lane)
    for number, models in enumerate(free_others):
        LaneReader(client, keys.INFERENCE_QUEUE, "a-broker", f"other-{number}").look(True, models, room=0)


def look(client: redis.Redis, claimant: Claimant) -> Look:
    reader = LaneReader(client, keys.INFERENCE_QUEUE, "a-broker", "a-worker")
    return reader.look(not claimant.is_busy, claimant.models, claimant.room)


def is_plain(head: LaneHead, claimant: Claimant, free_others: Collection[Collection[str]]) -> bool:
    """Whether a head that waits alone is this worker's, whatever its age."""
    is_held = head.model is None or head.model in claimant.models
    return claimant.room > 0 and is_held and not (claimant.is_busy and free_others)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    waiting=st.dictionaries(st.sampled_from(LANES), st.integers(1, 9), max_size=2),
    claimant=st.builds(Claimant, st.integers(0, 6), st.booleans(), st.sets(st.sampled_from(MODELS))),
    free_others=st.lists(st.sets(st.sampled_from(MODELS)), max_size=3),
)
def test_what_a_look_takes_is_what_the_policy_would_claim(
    queue_redis: redis.Redis, waiting: dict[str, int], claimant: Claimant, free_others: list[set[str]]
) -> None:
    put(queue_redis, waiting, free_others)

    seen = look(queue_redis, claimant)

    assert {head.lane: head.depth for head in seen.heads} == waiting
    if len(seen.heads) == 1 and is_plain(seen.heads[0], claimant, free_others):
        assert choose_claim(seen.heads, claimant, free_others, SWAP_MAX_WAIT) == Claim(
            seen.heads[0].lane, len(seen.taken)
        )
    else:
        assert seen.taken == ()


@pytest.mark.parametrize("odd", [keys.ready, keys.bodies], ids=["list", "bodies"])
def test_a_lane_that_is_none_is_passed_over(queue_redis: redis.Redis, odd: Callable[[str], str]) -> None:
    put(queue_redis, {LANES[1]: 1, LANES[2]: 1}, [])
    queue_redis.set(odd(LANES[1]), "not what a lane has")

    assert look(queue_redis, Claimant(4, False, {"org/b"})).taken == (f"{LANES[2]}-0".encode(),)


def test_what_has_no_list_is_no_lane(queue_redis: redis.Redis) -> None:
    queue_redis.sadd(keys.LANES, "inference.normal.org/a.msgs")
    queue_redis.hset(keys.bodies("inference.normal.org/a"), "an-id", "a message")

    assert look(queue_redis, Claimant(4, False, {})).heads == ()

    assert not queue_redis.exists(keys.LANES)


def test_a_worker_that_has_just_taken_tasks_is_no_longer_free(queue_redis: redis.Redis) -> None:
    put(queue_redis, {LANES[1]: 1}, [])

    assert look(queue_redis, Claimant(4, False, {"org/a"})).taken == (f"{LANES[1]}-0".encode(),)

    assert not queue_redis.exists(keys.FREE_WORKERS)


def test_a_lane_is_taken_from_its_head(queue_redis: redis.Redis) -> None:
    put(queue_redis, {LANES[1]: 3}, [])
    claimant = Claimant(1, True, {"org/a"})

    taken = list(itertools.chain.from_iterable(look(queue_redis, claimant).taken for _ in range(3)))

    assert taken == [f"{LANES[1]}-{number}".encode() for number in range(3)]


def test_what_was_taken_by_a_look_whose_answer_is_lost_comes_back(settings: Settings, queue_redis: redis.Redis) -> None:
    broker = create_broker(settings)
    message: Message[Any] = Message("inference", "task", (), {"model": "org/a"}, {})
    broker.enqueue(message)
    reader = LaneReader(queue_redis, keys.INFERENCE_QUEUE, broker.broker_id, "a-worker")
    assert reader.look(True, ["org/a"], room=1).taken

    received = next(broker.consume(keys.INFERENCE_QUEUE, prefetch=1, timeout=10))

    assert received is not None
    assert received.message_id == message.message_id
    broker.close()
