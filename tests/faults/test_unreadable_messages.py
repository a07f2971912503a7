"""What somebody wrote into a queue and nobody can read holds nothing up."""

import json
import logging

import dramatiq
import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from settings import keys
from settings.config import Settings
from settings.connections import result_client
from tests.light_worker import leftovers, working
from tests.waiting import wait_until

QUEUE = keys.INFERENCE_QUEUE


def body(**changes: object) -> bytes:
    """A message that would be read, but for the changes."""
    message = {
        "queue_name": QUEUE,
        "actor_name": "task",
        "args": ["theirs"],
        "kwargs": {},
        "options": {"redis_message_id": "their-id"},
        "message_id": "an-id",
        "message_timestamp": 1,
    }
    return json.dumps({**message, **changes}).encode()


UNREADABLE = {
    "not JSON": b"\xff{",
    "not an object": b"5",
    "without most fields": b"{}",
    "with a field too many": body(colour="red"),
    "without its own id": body(options={}),
    "with options that are none": body(options=None),
    "with arguments that are none": body(args=None),
    "with keywords that are a list": body(kwargs=["model"]),
    "of another queue": body(queue_name="elsewhere"),
    "of an actor without a name": body(actor_name=None),
    "of no time": body(message_timestamp="yesterday"),
    "with an id that is not UTF-8": body(message_id="\udc80"),
    "to be answered on a channel that is not UTF-8": body(
        options={"redis_message_id": "their-id", "reply_to": "\udc80"}
    ),
    "of a lane that is a list": body(options={"redis_message_id": "their-id", "lane": ["a"]}),
}


@pytest.mark.parametrize("unreadable", UNREADABLE.values(), ids=UNREADABLE)
def test_a_message_that_cannot_be_read_is_a_dead_letter_and_the_others_run(
    unreadable: bytes, settings: Settings, queue_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings.model_copy(update={"gpu_devices": "cpu", "worker_concurrency": 4})
    broker, ran = create_broker(settings), []
    task = dramatiq.actor(ran.append, broker=broker, queue_name=QUEUE, actor_name="task")
    task.send("before")
    queue_redis.hset(keys.bodies(QUEUE), "their-id", unreadable)
    queue_redis.rpush(keys.ready(QUEUE), "their-id")
    task.send("after")

    with caplog.at_level(logging.ERROR), working(broker):
        wait_until(lambda: len(ran) == 2, "the others run")
        wait_until(lambda: not leftovers(settings), "nothing waits")

    assert queue_redis.hgetall(keys.dead_bodies(QUEUE)) == {b"their-id": unreadable}
    assert "their-id" in caplog.text


def test_a_history_that_is_none_costs_no_task_of_its_claim(settings: Settings, queue_redis: redis.Redis) -> None:
    settings = settings.model_copy(update={"gpu_devices": "cpu", "worker_concurrency": 4})
    broker = create_broker(settings)
    dramatiq.actor(lambda **_: None, actor_name="classify", broker=broker, queue_name=QUEUE)
    client = Client(settings, broker)
    messages = [client.send("classify", model="org/a", texts=[f"text {number}"]) for number in range(3)]
    (odd, *_) = queue_redis.lrange(keys.ready("inference.normal.org/a"), 0, -1)
    with result_client(settings) as results:
        results.set(keys.deliveries(odd.decode()), "not a list")

    with working(broker):
        answers = [client.result(message, timeout=20).output[0][0]["label"] for message in messages]

    assert answers == ["text 0", "text 1", "text 2"]
