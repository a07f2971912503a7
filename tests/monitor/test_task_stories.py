"""What became of a task, read from a real Redis into which the test puts what clients and workers put there."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from actors.errors import ModelNotFound
from actors.queueing.broker import ClusterBroker
from actors.queueing.deliveries import Deliveries
from actors.queueing.deliveries import Delivery as NotedDelivery
from actors.queueing.results import result_backend
from monitor.core.story_text import story_text
from monitor.core.task_stories import Delivery, Outcome, StoryUnavailable, TaskStories, TaskStory, Timings
from monitor.core.timeline import Phase, phases
from settings import keys
from settings.config import Settings
from settings.explanation import Delayed, Ended, Place, Running, Waiting
from settings.records import TaskRecord
from settings.sought_task import SoughtTask
from tests.monitor.cluster import Cluster
from tests.monitor.examples import STORY
from tests.monitor.hostile import HOSTILE_STRINGS

LANE = "inference.normal.org/a"
METADATA = {
    "model": "org/a",
    "revision": "main",
    "worker_id": "worker",
    "device": "cuda:0",
    "dtype": "float16",
    "batch_size": 4,
    "input_tokens": 9,
    "output_tokens": 0,
    "attempts": 2,
    "retry_reasons": ["DeviceOutOfMemory: 1 GiB"],
    "timings": {"queued_ms": 500.0, "load_ms": 6900.0, "batch_wait_ms": 0.0, "compute_ms": 812.0},
}


@pytest.fixture
def stories(settings: Settings) -> Iterator[TaskStories]:
    stories = TaskStories(settings)
    yield stories
    stories.close()


@pytest.fixture
def broker(settings: Settings) -> ClusterBroker:
    return create_broker(settings)


@pytest.fixture
def client(settings: Settings, broker: ClusterBroker) -> Client:
    return Client(settings, broker)


def claim(client: redis.Redis, results: redis.Redis, worker_id: str = "worker") -> str:
    """The first task of the lane is given to a worker, which notes it; its Redis id."""
    redis_id: bytes = client.lpop(keys.ready(LANE))
    Deliveries(results).note(redis_id.decode(), NotedDelivery(worker_id, "cuda:0", time.time()))
    return redis_id.decode()


def with_place(place: Place, **fields: object) -> TaskStory:
    return replace(STORY, explanation=STORY.explanation.model_copy(update={"place": place}), **fields)


def test_a_waiting_task_is_queued_since_it_was_sent(stories: TaskStories, client: Client) -> None:
    message = client.send("embed", model="org/a", texts=["a secret"])

    story = stories.read(SoughtTask(message.message_id))

    assert isinstance(story.explanation.place, Waiting)
    (queued,) = phases(story)
    assert (queued.name, queued.begin, queued.goes_on) == ("queued", 0.0, True)
    text = story_text(story)
    assert f"embed {message.message_id} waits as number 1 of 1" in text
    assert "estimate" in text
    assert "secret" not in text


def test_a_running_task_tells_who_was_given_it_before(
    stories: TaskStories, client: Client, cluster: Cluster, result_redis: redis.Redis
) -> None:
    message = client.send("embed", model="org/a", texts=["a"])
    redis_id = claim(cluster.redis, result_redis, "dead-worker")
    cluster.redis.rpush(keys.ready(LANE), redis_id)
    claim(cluster.redis, result_redis)
    task = TaskRecord(message_id=message.message_id, actor="embed", model="org/a", started_at=time.time())
    cluster.beat("worker", state="busy", running=[task])

    story = stories.read(SoughtTask(message.message_id))

    assert isinstance(story.explanation.place, Running)
    assert [delivery.worker_id for delivery in story.deliveries] == ["dead-worker", "worker"]
    assert [phase.name for phase in phases(story)] == ["queued", "claimed", "running"]
    lines = story_text(story).splitlines()
    assert any("dead-worker on cuda:0" in line and line.endswith("which did not end it") for line in lines)
    assert any("  worker on cuda:0" in line and not line.endswith("it") for line in lines)


def test_a_task_with_a_result_tells_where_its_time_went(
    stories: TaskStories, client: Client, broker: ClusterBroker
) -> None:
    message = client.send("embed", model="org/a", texts=["a"])
    result_backend(broker).store_result(message, {"output": ["a secret"], "metadata": METADATA}, 3_600_000)

    story = stories.read(SoughtTask(message.message_id))

    assert [(phase.name, round(phase.seconds, 3)) for phase in phases(story)] == [
        ("queued", 0.5),
        ("loading", 6.9),
        ("running", 0.812),
    ]
    assert story.ended_at is not None
    assert abs(story.ended_at - time.time()) < 60
    text = story_text(story)
    assert "run by    worker on cuda:0, try 2" in text
    assert "try 1     failed: DeviceOutOfMemory: 1 GiB" in text
    assert "secret" not in text


@pytest.mark.parametrize("metadata", [None, 7, {}, {**METADATA, "timings": 3}, {**METADATA, "batch_size": "[/x]"}])
def test_a_result_of_another_shape_has_no_timeline(
    stories: TaskStories, client: Client, broker: ClusterBroker, metadata: object
) -> None:
    message = client.send("embed", model="org/a", texts=["a"])
    result_backend(broker).store_result(message, {"output": [], "metadata": metadata}, 3_600_000)

    story = stories.read(SoughtTask(message.message_id))

    assert story.outcome is None
    assert "nothing tells of its time" in story_text(story)


def test_a_failed_task_tells_its_error(stories: TaskStories, client: Client, broker: ClusterBroker) -> None:
    message = client.send("embed", model="org/a", texts=["a"])
    result_backend(broker).store_exception(message, ModelNotFound("gone"), 3_600_000)

    text = story_text(stories.read(SoughtTask(message.message_id)))

    assert "has failed: ModelNotFound: gone" in text
    assert "ended     about" in text


def test_a_task_that_is_tried_again_tells_why(stories: TaskStories, client: Client, queue_redis: redis.Redis) -> None:
    message = client.send("embed", model="org/a", texts=["a"])
    redis_id: bytes = queue_redis.lpop(keys.ready(LANE))
    raw = json.loads(queue_redis.hget(keys.bodies(LANE), redis_id))
    queue_redis.hdel(keys.bodies(LANE), redis_id)
    raw["options"] |= {"eta": int(1000 * time.time()) + 60_000, "retries": 2, "retry_reasons": ["first", "second"]}
    queue_redis.hset(keys.delayed_bodies(keys.INFERENCE_QUEUE), redis_id, json.dumps(raw))

    story = stories.read(SoughtTask(message.message_id))

    assert isinstance(story.explanation.place, Delayed)
    assert story.retry_reasons == ("first", "second")
    assert "try 2     failed: second" in story_text(story)


def test_what_was_never_sent_has_no_timeline(stories: TaskStories) -> None:
    assert "is not known" in story_text(stories.read(SoughtTask("[/never]\x1b")))


def test_without_redis_there_is_a_sentence(settings: Settings) -> None:
    stories = TaskStories(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))

    with pytest.raises(StoryUnavailable, match="cannot be read"):
        stories.read(SoughtTask("a"))


def test_a_worker_that_loads_the_tasks_model_is_said_to_load() -> None:
    story = with_place(Running(worker_id="w", since=990.0, doing="loading org/chat-8b"))

    assert phases(story)[-1] == Phase("loading", 31.0, 41.0, goes_on=True)


@pytest.mark.parametrize("sent_at", [None, 2000.0, -1e15])
@pytest.mark.parametrize("deliveries", [(), STORY.deliveries])
@pytest.mark.parametrize("since", [None, 990.0, 3000.0])
def test_clocks_that_disagree_make_no_negative_time(
    sent_at: float | None, deliveries: tuple[Delivery, ...], since: float | None
) -> None:
    story = with_place(Running(worker_id="w", since=since), sent_at=sent_at, deliveries=deliveries)

    assert all(phase.begin >= 0 and phase.seconds >= 0 for phase in phases(story))
    assert all(len(line) < 200 for line in story_text(story).splitlines())


@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
def test_hostile_stories_are_shown_without_being_obeyed(hostile: str) -> None:
    outcome = Outcome(worker_id=hostile, device=hostile, model=hostile, revision=hostile, timings=Timings(load_ms=-1))
    deliveries = (Delivery(worker_id=hostile, device=hostile, at=1e300),)
    for place in (Ended(), Running(worker_id=hostile)):
        story = with_place(place, outcome=outcome, retry_reasons=(hostile,), deliveries=deliveries, ended_at=1e300)

        assert story_text(story).replace("\n", "").isprintable()
