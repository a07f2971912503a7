"""A worker that is asked to end finishes what it has begun and gives back what it has not."""

import threading
from collections.abc import Iterator

import dramatiq
import pytest
import redis

from actors.broker import create_broker
from actors.errors import WorkerStopping
from actors.queueing.broker import ClusterBroker
from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from tests import stand_in_engine
from tests.light_worker import leftovers, working
from tests.servers import RedisServer
from tests.waiting import wait_until

LANE = "inference.normal.org/a"

DELAYED = keys.ready("inference.DQ")


class Task:
    """An actor that waits until it may end."""

    def __init__(self, broker: ClusterBroker) -> None:
        self.started, self.may_end = threading.Semaphore(0), threading.Event()
        self.ended: list[str] = []
        self.actor = dramatiq.actor(self._run, broker=broker, queue_name=keys.INFERENCE_QUEUE, actor_name="task")

    def send(self, name: str, **options: int) -> None:
        """Sends a task of this name."""
        self.actor.send_with_options(kwargs={"model": "org/a", "name": name}, **options)

    def _run(self, model: str, name: str) -> None:
        self.started.release()
        self.may_end.wait()
        self.ended.append(name)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A worker that takes two tasks at a time."""
    return settings.model_copy(update={"gpu_devices": "cpu", "worker_concurrency": 2})


@pytest.fixture
def broker(settings: Settings) -> Iterator[ClusterBroker]:
    broker = create_broker(settings)
    yield broker
    broker.close()


def test_what_it_has_begun_it_finishes_and_the_rest_goes_back(
    broker: ClusterBroker, settings: Settings, queue_redis: redis.Redis
) -> None:
    task = Task(broker)
    with working(broker):
        for name in ("one", "two", "three", "four"):
            task.send(name)
        assert task.started.acquire(timeout=10)
        assert task.started.acquire(timeout=10)
        threading.Timer(0.5, task.may_end.set).start()

    assert {"one", "two"} <= set(task.ended)
    assert len(task.ended) + queue_redis.llen(keys.ready(LANE)) == 4
    assert _in_hand(settings) == []


def test_while_it_ends_it_takes_nothing_more(
    broker: ClusterBroker, settings: Settings, queue_redis: redis.Redis
) -> None:
    dramatiq.actor(lambda **_: None, broker=broker, queue_name=keys.INFERENCE_QUEUE, actor_name="classify")
    may_end, started = threading.Event(), threading.Semaphore(0)

    def compute(text: str) -> str:
        started.release()
        may_end.wait()
        return text

    def send(name: str) -> None:
        fields = {"model": "org/a", "texts": [name]}
        broker.enqueue(dramatiq.Message(keys.INFERENCE_QUEUE, "classify", (), fields, {}))

    with working(broker, compute):
        send("begun")
        assert started.acquire(timeout=10)
        threading.Timer(0.3, lambda: [send(name) for name in ("first", "second")]).start()
        threading.Timer(1.3, may_end.set).start()
        commands = queue_redis.info("stats")["total_commands_processed"]

    bodies = [queue_redis.hget(keys.bodies(LANE), redis_id) for redis_id in queue_redis.lrange(keys.ready(LANE), 0, -1)]
    assert [dramatiq.Message.decode(body).kwargs["texts"] for body in bodies] == [["first"], ["second"]]
    assert queue_redis.info("stats")["total_commands_processed"] - commands < 300


def test_tasks_whose_model_is_not_here_yet_do_not_hold_it_up(
    broker: ClusterBroker, settings: Settings, queue_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    dramatiq.actor(lambda **_: None, broker=broker, queue_name=keys.INFERENCE_QUEUE, actor_name="classify")
    stopped, started = threading.Event(), threading.Event()
    monkeypatch.setattr(stand_in_engine.Engine, "stop_bringing", lambda engine: stopped.set())

    def download(text: str) -> str:
        started.set()
        assert stopped.wait(60)
        raise WorkerStopping("the worker is shutting down")

    with working(broker, download):
        broker.enqueue(dramatiq.Message(keys.INFERENCE_QUEUE, "classify", (), {"model": "org/a", "texts": ["a"]}, {}))
        assert started.wait(10)

    assert queue_redis.hlen(keys.delayed_bodies(keys.INFERENCE_QUEUE)) == 1  # for another worker


def test_delayed_messages_that_it_had_in_memory_go_back(
    broker: ClusterBroker, settings: Settings, queue_redis: redis.Redis
) -> None:
    with working(broker):
        _send_late(Task(broker), queue_redis)

    assert queue_redis.llen(DELAYED) == 1
    assert _in_hand(settings) == []


def test_it_ends_while_redis_is_away(own_redis: RedisServer, settings: Settings, redis_url: str) -> None:
    settings = settings.model_copy(update={"redis_url": own_redis.url})
    broker = create_broker(settings)
    with queue_client(settings) as client, working(broker):
        _send_late(Task(broker), client)
        own_redis.kill()

    own_redis.start()
    with queue_client(settings) as client:
        assert client.hlen(keys.delayed_bodies(keys.INFERENCE_QUEUE)) == 1


def _send_late(task: Task, client: redis.Redis) -> None:
    """Sends tasks that are due in a minute and waits until the worker has them in memory."""
    task.send("late", delay=60_000)
    bodies = keys.delayed_bodies(keys.INFERENCE_QUEUE)
    wait_until(lambda: client.hlen(bodies) and not client.llen(DELAYED), "the worker has fetched it")


def _in_hand(settings: Settings) -> list[str]:
    return [name for name in leftovers(settings) if "__acks__" in name]
