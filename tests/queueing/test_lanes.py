"""Messages in lanes are ordinary Dramatiq messages: everything that Dramatiq promises holds for them."""

import contextlib
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import Message, Worker
from dramatiq.middleware import Middleware
from redis.connection import Connection
from redis.exceptions import NoScriptError

from actors.broker import create_broker
from actors.client import AsyncClient, Client
from actors.errors import DeviceOutOfMemory, InvalidRequest
from actors.middleware.retries import Retries
from actors.queueing.broker import ClusterBroker
from actors.queueing.lanes import PRIORITIES, LaneReader, age_seconds, lane_of, priority_name
from actors.queueing.retry_policy import reasons_of
from settings import keys
from settings.config import Settings
from settings.lane_names import TAKEN_ENDINGS
from settings.message_ids import sortable_id
from tests.waiting import wait_until


@pytest.fixture
def broker(settings: Settings) -> Iterator[ClusterBroker]:
    broker = create_broker(settings)
    broker.middleware = [hook for hook in broker.middleware if isinstance(hook, Retries) or _is_dramatiqs(type(hook))]
    yield broker
    broker.close()


def _is_dramatiqs(hook: type) -> bool:
    """Whether a hook is Dramatiq's own, or one of them that was made to last."""
    return any(base.__module__.startswith("dramatiq") for base in hook.__mro__ if base is not Middleware)


@pytest.fixture
def work(broker: ClusterBroker) -> Iterator[Callable[[], Worker]]:
    """Starts a worker of this process; stops it afterwards."""
    workers: list[Worker] = []

    def start() -> Worker:
        broker.emit_after("process_boot")
        worker = Worker(broker, worker_threads=2)
        worker.start()
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.stop()


def actor(broker: ClusterBroker, run: Callable[..., object], **options: object) -> dramatiq.Actor:
    return dramatiq.actor(run, broker=broker, queue_name=keys.INFERENCE_QUEUE, actor_name="task", **options)


def waiting_in(client: redis.Redis, lane: str) -> int:
    return client.llen(keys.ready(lane))


def test_ids_sort_by_the_time_of_their_making() -> None:
    first = sortable_id()
    wait_until(lambda: sortable_id()[:12] > first[:12], "the clock goes on")

    assert first < sortable_id()
    assert 0 <= age_seconds(first) < 60
    assert age_seconds("3f0c8a52-9a5e-4a53-ae5c-74a1e0d8a7a1") == 0


@pytest.mark.parametrize(
    ("priority", "name"),
    [(1, "high"), (3, "high"), (4, "normal"), (7, "normal"), (8, "low"), (10, "low"), (0, "normal"), ("1", "normal")],
)
def test_the_gateways_ten_priorities_lie_in_three_lists(priority: object, name: str) -> None:
    assert priority_name(priority) == name


@pytest.mark.parametrize(("priority", "lane"), [(1, "high"), (5, "normal"), (10, "low")])
def test_a_clients_priority_chooses_the_lane(
    settings: Settings, broker: ClusterBroker, queue_redis: redis.Redis, priority: int, lane: str
) -> None:
    Client(settings, broker).send("embed", model="org/a", texts=["a text"], priority=priority)

    assert waiting_in(queue_redis, f"inference.{lane}.org/a") == 1


async def test_an_asyncio_clients_priority_chooses_the_lane_too(
    settings: Settings, broker: ClusterBroker, queue_redis: redis.Redis
) -> None:
    async with AsyncClient(settings, broker) as client:
        await client.send("embed", model="org/a", texts=["a text"], priority=10)

    assert waiting_in(queue_redis, "inference.low.org/a") == 1


@pytest.mark.parametrize("priority", [0, 11, -1, 5.0, "1", None, True])
def test_another_priority_is_refused_before_it_is_sent(
    settings: Settings, broker: ClusterBroker, priority: Any
) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(f"priority={priority!r}: 1 (first) to 10 (last)")):
        Client(settings, broker).message("embed", model="org/a", texts=["a text"], priority=priority)


@pytest.mark.parametrize("model", [None, 5, "", "x" * 300, "a\nb"])
def test_a_message_without_a_sensible_model_stays_in_the_queues_own_list(model: object) -> None:
    message = dramatiq.Message(queue_name="inference", actor_name="a", args=(), kwargs={"model": model}, options={})

    assert lane_of(message) is None


@pytest.mark.parametrize("ending", TAKEN_ENDINGS)
@pytest.mark.parametrize("order", [1, -1], ids=["first", "last"])
def test_a_model_whose_lane_would_be_anothers_key_is_served_like_all_others(
    broker: ClusterBroker, work: Callable[[], Worker], ending: str, order: int
) -> None:
    ran: list[str] = []
    task = actor(broker, lambda model: ran.append(model))
    for model in [f"org/a{ending}", "org/a"][::order]:
        task.send(model=model)
    task.send(model="org/third")

    work()

    wait_until(lambda: sorted(ran) == sorted(["org/a", f"org/a{ending}", "org/third"]), "all three have run")


def test_a_message_waits_in_the_lane_of_its_model_and_priority(broker: ClusterBroker, queue_redis: redis.Redis) -> None:
    task = actor(broker, lambda model: None)

    task.send(model="org/a")
    task.send_with_options(kwargs={"model": "org/a"}, priority=1)

    assert waiting_in(queue_redis, "inference.normal.org/a") == 1
    assert waiting_in(queue_redis, "inference.high.org/a") == 1
    assert waiting_in(queue_redis, "inference") == 0


def test_models_are_drained_before_they_are_swapped(broker: ClusterBroker, work: Callable[[], Worker]) -> None:
    ran: list[str] = []
    task = actor(broker, lambda model: ran.append(model))
    for _ in range(50):
        task.send(model="org/a")
        task.send(model="org/b")

    work()
    wait_until(lambda: len(ran) == 100, "all have run")

    # Two threads may run the last of one model beside the first of the other.
    swaps = sum(before != after for before, after in itertools.pairwise(ran))
    assert swaps <= 4


def test_a_message_of_plain_dramatiq_is_run(broker: ClusterBroker, work: Callable[[], Worker], redis_url: str) -> None:
    from dramatiq.brokers.redis import RedisBroker

    ran: list[str] = []
    task = actor(broker, lambda model: ran.append(model))
    RedisBroker(url=redis_url, middleware=[]).enqueue(task.message(model="org/a"))

    work()

    wait_until(lambda: ran == ["org/a"], "it has run")


def test_results_retries_and_dead_letters_work(
    broker: ClusterBroker, work: Callable[[], Worker], queue_redis: redis.Redis
) -> None:
    runs: list[str] = []

    def fail(model: str) -> None:
        runs.append(model)
        raise DeviceOutOfMemory("no room")  # tried again once, and promptly

    task = actor(broker, fail)
    message = task.send(model="org/a")

    work()

    with pytest.raises(dramatiq.results.ResultFailure, match="DeviceOutOfMemory: no room"):
        message.get_result(backend=broker.get_results_backend(), block=True, timeout=20_000)
    assert runs == ["org/a", "org/a"]
    wait_until(lambda: queue_redis.zcard(keys.dead("inference.normal.org/a")) == 1, "the letter is dead")
    assert queue_redis.hlen(keys.bodies("inference.normal.org/a")) == 0
    (letter,) = queue_redis.hvals(keys.dead_bodies("inference.normal.org/a"))
    assert reasons_of(Message.decode(letter).options) == ("DeviceOutOfMemory: no room",)


def test_a_delayed_message_is_run_within_a_tenth_of_a_second_of_its_time(
    broker: ClusterBroker, work: Callable[[], Worker]
) -> None:
    started: list[float] = []
    task = actor(broker, lambda model, due: started.append(time.time() * 1000 - due))
    work()
    due = time.time() * 1000 + 1500
    task.send_with_options(kwargs={"model": "org/a", "due": due}, delay=1500)

    wait_until(lambda: started, "it has run")

    assert started[0] + 1 >= 0
    assert started[0] < 100


def test_a_pipeline_goes_through_lanes(broker: ClusterBroker, work: Callable[[], Worker]) -> None:
    task = actor(broker, lambda *before, model: [*before, model][-1], store_results=True)
    work()

    pipeline = dramatiq.pipeline([task.message(model="org/a"), task.message(model="org/b")], broker=broker).run()

    assert pipeline.get_result(block=True, timeout=20_000) == "org/b"


def test_what_a_stopping_worker_has_not_begun_goes_back_to_its_lane(
    broker: ClusterBroker, queue_redis: redis.Redis
) -> None:
    task = actor(broker, lambda model: None)
    for _ in range(3):
        task.send(model="org/a")
    consumer = broker.consume(keys.INFERENCE_QUEUE, prefetch=10, timeout=10)
    taken = [message for _ in range(3) if (message := next(consumer))]
    assert waiting_in(queue_redis, "inference.normal.org/a") == 0
    last = task.send(model="org/a")

    consumer.requeue(reversed(taken))

    ids = queue_redis.lrange(keys.ready("inference.normal.org/a"), 0, -1)
    sent = sorted(message.options["redis_message_id"] for message in (*taken, last))
    assert ids == [redis_id.encode() for redis_id in sent], "the oldest is the first"


def test_what_was_fetched_into_a_broken_connection_is_taken_back(
    broker: ClusterBroker, queue_redis: redis.Redis
) -> None:
    actor(broker, lambda model: None).send(model="org/a")
    broker.do_fetch("inference.normal.org/a", 1)  # the answer is lost

    consumer = broker.consume(keys.INFERENCE_QUEUE, prefetch=10, timeout=10)

    assert next(consumer) is not None


def known_lanes(client: redis.Redis) -> set[bytes]:
    """The lanes after a worker has looked at them."""
    LaneReader(client, keys.INFERENCE_QUEUE, "a-broker", "a-worker").look(is_free=False, models=(), room=0)
    return set(client.smembers(keys.LANES))


def test_a_lane_with_nothing_left_in_it_is_forgotten_until_the_next_task(
    broker: ClusterBroker, queue_redis: redis.Redis
) -> None:
    task = actor(broker, lambda model: None)
    task.send(model="org/a")
    consumer = broker.consume(keys.INFERENCE_QUEUE, prefetch=1, timeout=10)
    consumer.ack(next(consumer))

    assert known_lanes(queue_redis) == set()

    task.send(model="org/a")

    assert known_lanes(queue_redis) == {b"inference.normal.org/a"}


def test_a_lane_whose_tasks_are_all_in_hand_stays_known(broker: ClusterBroker, queue_redis: redis.Redis) -> None:
    actor(broker, lambda model: None).send(model="org/a")
    taken = next(broker.consume(keys.INFERENCE_QUEUE, prefetch=1, timeout=10))

    assert taken is not None
    assert known_lanes(queue_redis) == {b"inference.normal.org/a"}


def test_a_lane_with_dead_letters_only_stays_known(broker: ClusterBroker, queue_redis: redis.Redis) -> None:
    actor(broker, lambda model: None).send(model="org/a")
    consumer = broker.consume(keys.INFERENCE_QUEUE, prefetch=1, timeout=10)
    consumer.nack(next(consumer))

    assert known_lanes(queue_redis) == {b"inference.normal.org/a"}


def test_no_lane_is_forgotten_between_its_naming_and_its_first_task(
    broker: ClusterBroker, queue_redis: redis.Redis
) -> None:
    reader = LaneReader(queue_redis, keys.INFERENCE_QUEUE, "a-broker", "a-worker")
    task, has_sent = actor(broker, lambda model: None), threading.Event()

    def look_all_the_time() -> None:
        while not has_sent.is_set():
            with contextlib.suppress(NoScriptError):  # forgotten again between its loading and its call
                reader.look(is_free=False, models=(), room=0)

    looking = threading.Thread(target=look_all_the_time)
    looking.start()
    for number in range(100):
        queue_redis.script_flush()  # the send is longest when Redis does not know its script
        task.send(model=f"org/{number}")
    has_sent.set()
    looking.join()

    assert len(reader.look(is_free=False, models=(), room=0).heads) == 100


def test_a_fetch_asks_redis_as_often_however_many_lanes_there_are(
    broker: ClusterBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []
    send = Connection.send_packed_command

    def noted(connection: Connection, command: object, **options: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            sent.append(command)
        send(connection, command, **options)

    def round_trips(lanes: int) -> int:
        for number in range(lanes):
            broker.enqueue(Message("inference", "task", (), {"model": f"org/{lanes}-{number}"}, {}))
        sent.clear()
        assert len(consumer._fetch(1)) == 1
        return len(sent)

    consumer = broker.consume(keys.INFERENCE_QUEUE, prefetch=1, timeout=100)
    round_trips(2)  # from here on Redis knows the scripts
    monkeypatch.setattr(Connection, "send_packed_command", noted)

    assert round_trips(3) == round_trips(100) == 2


def test_a_lane_whose_name_cannot_be_read_keeps_no_worker_from_its_start(
    broker: ClusterBroker, queue_redis: redis.Redis
) -> None:
    queue_redis.sadd(keys.LANES, b"inference.\xff")
    actor(broker, lambda model: None).send(model="org/a")

    assert next(broker.consume(keys.INFERENCE_QUEUE, prefetch=1, timeout=10)) is not None


def test_every_priority_has_a_rank() -> None:
    assert [PRIORITIES.index(name) for name in ("high", "normal", "low")] == [0, 1, 2]


def test_a_consumer_leaves_shunned_models_to_others_and_everything_in_quarantine(broker: ClusterBroker) -> None:
    for model in ("org/a", "org/b"):
        broker.enqueue(dramatiq.Message("inference", "task", (), {"model": model}, {}))
    consumer = broker.consume(keys.INFERENCE_QUEUE, prefetch=8, timeout=100)

    broker.restraint.note_quarantine("gpu-1/cuda:0", "broken")
    assert consumer._fetch(8) == []

    broker.restraint.note_quarantine("gpu-1/cuda:0", None)
    broker.restraint.shun("org/a", seconds=60)
    assert [message.kwargs["model"] for message in consumer._fetch(8)] == ["org/b"]
    assert consumer._fetch(8) == []
