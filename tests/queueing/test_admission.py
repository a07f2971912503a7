"""What a client refuses to send, and what nobody refuses."""

import asyncio
import math
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from dramatiq import Message

from actors.broker import create_broker
from actors.client import AsyncClient, Client
from actors.errors import InputNotFound, InvalidRequest, QueueFull, WouldMissDeadline
from actors.inference import embed
from actors.queueing.admission import LEAST_RETRY_SECONDS, judge
from actors.queueing.broker import ClusterBroker
from settings import keys
from settings.capacity import Capacity, note_service
from settings.config import InvalidConfiguration, Settings, read_settings

LANE = "inference.normal.org/a"
TASK: dict[str, Any] = {"model": "org/a", "texts": ["a text"]}


@pytest.fixture
def broker(settings: Settings) -> Iterator[ClusterBroker]:
    broker = create_broker(settings)
    yield broker
    broker.close()


@pytest.fixture
def client(settings: Settings, broker: ClusterBroker) -> Client:
    """A client of lanes that take three tasks each."""
    return Client(settings.model_copy(update={"max_queue_depth": 3}), broker)


@pytest.fixture
def unlimited(settings: Settings, broker: ClusterBroker) -> Client:
    """A client of lanes that take any number."""
    return Client(settings.model_copy(update={"max_queue_depth": 0}), broker)


def _serve(queue_redis: redis.Redis, seconds_per_task: float, workers: int = 1) -> None:
    """As if so many workers had served the model in this time."""
    now = int(queue_redis.time()[0])
    queue_redis.zadd(keys.DEVICES, {f"worker-{number}": now for number in range(workers)})
    with queue_redis.pipeline() as pipe:
        note_service(pipe, "org/a", 10 * seconds_per_task, 10)
        pipe.execute()


def _waiting(queue_redis: redis.Redis, lane: str = LANE) -> int:
    return queue_redis.llen(keys.ready(lane))


def test_there_is_room_below_the_limit() -> None:
    assert judge(LANE, Capacity(0, None, (2,)), max_depth=3, seconds_of_use=math.inf) is None


def test_a_lane_at_its_limit_is_full() -> None:
    refusal = judge(LANE, Capacity(0, None, (3,)), max_depth=3, seconds_of_use=math.inf)

    assert isinstance(refusal, QueueFull)
    assert str(refusal) == f"{LANE} is full: MAX_QUEUE_DEPTH is 3; try again in 1.0 s"
    assert refusal.retry_after == LEAST_RETRY_SECONDS


def test_only_the_lane_itself_can_be_full() -> None:
    assert judge(LANE, Capacity(0, None, (100, 2)), max_depth=3, seconds_of_use=math.inf) is None


def test_retry_after_is_when_a_tenth_of_what_is_ahead_is_done() -> None:
    refusal = judge(LANE, Capacity(2, 0.5, (500, 500)), max_depth=500, seconds_of_use=math.inf)

    assert isinstance(refusal, QueueFull)
    assert refusal.retry_after == pytest.approx(25.0)


def test_retry_after_is_never_less_than_the_minimum() -> None:
    refusal = judge(LANE, Capacity(2, 0.001, (10,)), max_depth=10, seconds_of_use=math.inf)

    assert isinstance(refusal, QueueFull)
    assert refusal.retry_after == LEAST_RETRY_SECONDS


def test_a_wait_longer_than_the_timeout_is_told_with_its_basis() -> None:
    refusal = judge(LANE, Capacity(2, 0.2, (100, 300)), max_depth=0, seconds_of_use=10)

    assert isinstance(refusal, WouldMissDeadline)
    assert str(refusal) == (
        f"a wait of 40.0 s in {LANE} is expected (tasks ahead: 400, seconds for each: 0.2000,"
        " workers that share them: 2); its result is of use for 10.0 s only"
    )


@pytest.mark.parametrize(
    "known",
    [Capacity(2, None, (10_000,)), Capacity(0, 9.0, (10_000,)), Capacity(2, 0.2, (99,)), Capacity(2, 9.0, (0,))],
)
def test_without_a_basis_and_within_the_timeout_nothing_is_refused(known: Capacity) -> None:
    assert judge(LANE, known, max_depth=0, seconds_of_use=10) is None


def test_a_task_with_nothing_ahead_is_left_to_the_worker_however_late_it_is() -> None:
    assert judge(LANE, Capacity(2, 0.2, (0,)), max_depth=0, seconds_of_use=-1) is None


def test_a_refusal_survives_a_process_boundary() -> None:
    refusal = pickle.loads(pickle.dumps(QueueFull("full", 2.5)))

    assert (str(refusal), refusal.retry_after) == ("full", 2.5)


def test_a_full_lane_refuses_its_own_tasks_only(client: Client, queue_redis: redis.Redis) -> None:
    for _ in range(3):
        client.send("embed", **TASK)

    with pytest.raises(QueueFull, match=f"{LANE} is full: MAX_QUEUE_DEPTH is 3") as refusal:
        client.send("classify", **TASK)
    client.send("embed", **TASK, priority=1)
    client.send("embed", **{**TASK, "model": "org/b"})

    assert refusal.value.retry_after >= LEAST_RETRY_SECONDS
    assert _waiting(queue_redis) == 3


async def test_an_asyncio_client_is_refused_too(client: Client, broker: ClusterBroker, settings: Settings) -> None:
    async with AsyncClient(client._settings, broker) as gateway:
        for _ in range(3):
            await gateway.send("embed", **TASK)
        with pytest.raises(QueueFull):
            await gateway.send("embed", **TASK)


async def test_of_tasks_that_are_sent_at_the_same_moment_no_more_get_in_than_there_is_room_for(
    client: Client, broker: ClusterBroker, queue_redis: redis.Redis
) -> None:
    async with AsyncClient(client._settings, broker) as gateway, AsyncClient(client._settings, broker) as other:
        sends = [sender.send("embed", **TASK) for _ in range(10) for sender in (gateway, other)]
        outcomes = await asyncio.gather(*sends, return_exceptions=True)

    assert sum(isinstance(outcome, Message) for outcome in outcomes) == _waiting(queue_redis) == 3
    assert sum(isinstance(outcome, QueueFull) for outcome in outcomes) == 17


async def test_an_asyncio_client_sends_nothing_that_would_come_too_late(
    unlimited: Client, broker: ClusterBroker, queue_redis: redis.Redis
) -> None:
    _serve(queue_redis, seconds_per_task=2.0)
    async with AsyncClient(unlimited._settings, broker) as gateway:
        for _ in range(10):
            await gateway.send("embed", **TASK)
        late, in_time = await asyncio.gather(
            *(gateway.send("embed", **TASK, timeout=seconds) for seconds in (5, 60)), return_exceptions=True
        )

    assert isinstance(late, WouldMissDeadline)
    assert isinstance(in_time, Message)
    assert _waiting(queue_redis) == 11


async def test_an_asyncio_client_is_told_of_a_missing_input(client: Client, broker: ClusterBroker) -> None:
    async with AsyncClient(client._settings, broker) as gateway:
        with pytest.raises(InputNotFound):
            await gateway.send("embed", model="org/a", texts={"$blob": "0" * 64, "as": "json"})


async def test_who_leaves_a_client_is_told_of_everything_that_was_on_its_way(
    unlimited: Client, broker: ClusterBroker, queue_redis: redis.Redis
) -> None:
    async with AsyncClient(unlimited._settings, broker) as gateway:
        sends = [asyncio.create_task(gateway.send("embed", **TASK)) for _ in range(250)]
        await sends[0]

    assert [type(each) for each in await asyncio.gather(*sends)] == [Message] * 250
    assert _waiting(queue_redis) == 250


async def test_a_task_whose_input_is_gone_takes_no_others_place(
    client: Client, broker: ClusterBroker, queue_redis: redis.Redis
) -> None:
    gone: dict[str, Any] = {"model": "org/a", "texts": {"$blob": "0" * 64, "as": "json"}}
    async with AsyncClient(client._settings, broker) as gateway:
        sends = [gateway.send("embed", **fields, timeout=60) for fields in (gone, TASK, gone, TASK, TASK)]
        outcomes = await asyncio.gather(*sends, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [InputNotFound, Message, InputNotFound, Message, Message]
    assert _waiting(queue_redis) == 3


async def test_that_nobody_can_tell_how_full_a_lane_is_fails_no_task_that_was_sent_with_a_refused_one(
    client: Client, broker: ClusterBroker, queue_redis: redis.Redis
) -> None:
    for _ in range(3):
        client.send("embed", **TASK)
    queue_redis.set(keys.service("org/a"), "what is no hash cannot be read")
    async with AsyncClient(client._settings, broker) as gateway:
        sends = [gateway.send("embed", **{**TASK, "model": model}) for model in ("org/a", "org/b")]
        full, sent = await asyncio.gather(*sends, return_exceptions=True)

    assert isinstance(full, QueueFull)
    assert full.retry_after == LEAST_RETRY_SECONDS
    assert isinstance(sent, Message)


async def test_a_lane_that_cannot_be_read_refuses_its_own_tasks_only(
    client: Client, broker: ClusterBroker, queue_redis: redis.Redis
) -> None:
    queue_redis.set(keys.ready("inference.normal.org/b"), "no list")
    async with AsyncClient(client._settings, broker) as gateway:
        sends = [gateway.send("embed", **{**TASK, "model": model}) for model in ("org/a", "org/b", "org/c")]
        outcomes = await asyncio.gather(*sends, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Message, redis.ResponseError, Message]
    assert (_waiting(queue_redis), _waiting(queue_redis, "inference.normal.org/c")) == (1, 1)


@pytest.mark.parametrize("model", ["org/a", "org/a.msgs"], ids=["with a lane", "without"])
def test_idempotency_keys_do_not_get_more_tasks_in_than_there_is_room_for(
    client: Client, queue_redis: redis.Redis, model: str
) -> None:
    def send(number: int) -> bool:
        try:
            client.send("embed", model=model, texts=["a text"], idempotency_key=f"order {number}")
        except QueueFull:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        sent = list(threads.map(send, range(24)))

    lane = LANE if model == "org/a" else keys.INFERENCE_QUEUE
    assert sum(sent) == _waiting(queue_redis, lane) == 3


def test_plain_sends_are_never_refused(client: Client, broker: ClusterBroker, queue_redis: redis.Redis) -> None:
    for _ in range(3):
        client.send("embed", **TASK)

    broker.enqueue(embed.message(**TASK))

    assert _waiting(queue_redis) == 4


def test_without_a_limit_lanes_are_never_full(unlimited: Client, queue_redis: redis.Redis) -> None:
    for _ in range(20):
        unlimited.send("embed", **TASK)

    assert _waiting(queue_redis) == 20


def test_a_task_that_would_come_too_late_is_not_sent(unlimited: Client, queue_redis: redis.Redis) -> None:
    _serve(queue_redis, seconds_per_task=2.0, workers=2)
    for _ in range(10):
        unlimited.send("embed", **TASK)

    with pytest.raises(WouldMissDeadline, match=r"10\.0 s .*ahead: 10, .*each: 2\.0000, .*them: 2\)"):
        unlimited.send("embed", **TASK, timeout=5)
    unlimited.send("embed", **TASK, timeout=60)
    unlimited.send("embed", **TASK)

    assert _waiting(queue_redis) == 12


def test_what_has_a_lower_priority_is_not_ahead(unlimited: Client, queue_redis: redis.Redis) -> None:
    _serve(queue_redis, seconds_per_task=1.0)
    for _ in range(10):
        unlimited.send("embed", **TASK)

    unlimited.send("embed", **TASK, priority=1, timeout=5)
    with pytest.raises(WouldMissDeadline, match="ahead: 11"):
        unlimited.send("embed", **TASK, priority=10, timeout=5)


def test_a_cluster_that_has_measured_nothing_refuses_nothing(unlimited: Client, queue_redis: redis.Redis) -> None:
    for _ in range(10):
        unlimited.send("embed", **TASK, timeout=0.5)

    assert _waiting(queue_redis) == 10


def test_a_resend_is_not_refused_when_the_first_message_is_there(client: Client) -> None:
    first = client.send("embed", **TASK, idempotency_key="order 66")
    for _ in range(2):
        client.send("embed", **TASK)

    assert client.send("embed", **TASK, idempotency_key="order 66").message_id == first.message_id


def test_a_refused_send_leaves_its_key_free(client: Client, queue_redis: redis.Redis) -> None:
    for _ in range(3):
        client.send("embed", **TASK)
    with pytest.raises(QueueFull):
        client.send("embed", **TASK, idempotency_key="order 66")

    queue_redis.delete(keys.ready(LANE))
    client.send("embed", **TASK, idempotency_key="order 66")

    assert _waiting(queue_redis) == 1


def test_a_refusal_costs_no_place_in_redis(client: Client, queue_redis: redis.Redis) -> None:
    for _ in range(3):
        client.send("embed", **TASK)
    before = queue_redis.dbsize()

    with pytest.raises(QueueFull):
        client.send("embed", **TASK)

    assert queue_redis.dbsize() == before


@pytest.mark.parametrize("depth", ["-1", "many", "1.5"])
def test_a_limit_that_is_none_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, depth: str) -> None:
    monkeypatch.setenv("MAX_QUEUE_DEPTH", depth)

    with pytest.raises(InvalidConfiguration, match=f"MAX_QUEUE_DEPTH={depth} is not valid"):
        read_settings(env_file=None)


def test_an_empty_limit_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_QUEUE_DEPTH", "")

    assert read_settings(env_file=None).max_queue_depth == 10_000


@pytest.mark.parametrize("timeout", [0, -1, "5"])
def test_a_wrong_timeout_is_told_before_anything_is_read(client: Client, timeout: Any) -> None:
    with pytest.raises(InvalidRequest, match="timeout="):
        client.send("embed", **TASK, timeout=timeout)
