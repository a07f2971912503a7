"""A task whose inputs have to be fetched holds up no other."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import Message
from dramatiq.results import ResultFailure

from actors.broker import create_broker
from actors.engine.work import Job
from actors.errors import PermanentError
from actors.inference import embed
from actors.payloads import Request, is_reference
from actors.queueing.broker import ClusterBroker
from actors.queueing.cancellations import Cancellations
from actors.queueing.results import result_backend
from actors.serving.inference_task import Surroundings
from actors.serving.tasks_in_hand import FETCHERS, TasksInHand
from settings import keys
from settings.config import Settings
from tests.engine.jobs import job
from tests.serving.delivery_notes import DeliveryNotes
from tests.waiting import wait_until

INLINE = ("inline",)
FETCHED = ("fetched",)


class HangingInputs:
    """A share that does not answer until it is told to."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()

    def resolve(self, actor: str, fields: dict[str, Any]) -> dict[str, Any]:
        if not is_reference(fields["texts"]):
            return fields
        if "$file" in fields["texts"]:
            self.may_answer.wait()
        return {**fields, "texts": list(FETCHED)}


class RecordingEngine:
    """Takes jobs and computes none."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, ...]] = []
        self.seconds: list[float] = []

    def plan(self, actor: str, request: Request, *others: Any) -> Job:
        self.texts.append(request.texts)  # type: ignore[attr-defined]  # of `embed`
        self.seconds.append(others[-1])
        return job()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Does nothing with them."""


@pytest.fixture
def broker(settings: Settings) -> Iterator[ClusterBroker]:
    broker = create_broker(settings)
    declared = {"broker": broker, "queue_name": keys.INFERENCE_QUEUE, "throws": (PermanentError,)}
    dramatiq.actor(lambda **fields: None, actor_name="embed", **declared)
    yield broker
    broker.close()


@pytest.fixture
def inputs() -> Iterator[HangingInputs]:
    inputs = HangingInputs()
    yield inputs
    inputs.may_answer.set()


def _message(texts: object) -> Message[Any]:
    message: Message[Any] = embed.message(model="org/a", texts=texts)
    return message.copy(
        options={"redis_message_id": message.message_id, "deadline": message.message_timestamp + 60_000}
    )


def test_inline_tasks_are_begun_while_a_share_hangs(
    settings: Settings, broker: ClusterBroker, inputs: HangingInputs
) -> None:
    engine: Any = RecordingEngine()
    surroundings: Any = Surroundings("worker", None, engine, None, inputs, settings)  # type: ignore[arg-type]  # fakes
    results = result_backend(broker).client
    tasks = TasksInHand(broker, surroundings, Cancellations(results), DeliveryNotes(results))

    tasks.take([*(_message({"$file": "clip.json"}) for _ in range(2 * FETCHERS)), _message(list(INLINE))])

    wait_until(lambda: engine.texts == [INLINE], "the inline task is begun")
    inputs.may_answer.set()
    wait_until(lambda: engine.texts.count(FETCHED) == 2 * FETCHERS, "the others follow")
    assert engine.seconds[-1] < engine.seconds[0] < 60, "fetching is taken off a task's time"
    tasks.stop(0)


@pytest.fixture
def tasks(settings: Settings, broker: ClusterBroker, inputs: HangingInputs) -> Iterator[TasksInHand]:
    limited = settings.model_copy(update={"task_timeout": 1})
    surroundings: Any = Surroundings("worker", None, RecordingEngine(), None, inputs, limited)  # type: ignore[arg-type]  # fakes
    results = result_backend(broker).client
    tasks = TasksInHand(broker, surroundings, Cancellations(results), DeliveryNotes(results))
    yield tasks
    tasks.stop(0)


def test_a_task_whose_input_hangs_is_tried_again_later_once_and_leaves_its_place(
    tasks: TasksInHand, broker: ClusterBroker, inputs: HangingInputs, queue_redis: redis.Redis
) -> None:
    def waiting_for_retry() -> int:
        return queue_redis.hlen(keys.delayed_bodies(keys.INFERENCE_QUEUE))

    messages = [_message({"$file": "clip.json"}) for _ in range(2 * FETCHERS)]
    given = [message.options["redis_message_id"] for message in messages]
    queue_redis.sadd(keys.acks(broker.broker_id, keys.INFERENCE_QUEUE), *given)
    tasks.take(messages)

    wait_until(lambda: not len(tasks), "their places are free")
    assert waiting_for_retry() == 2 * FETCHERS
    inputs.may_answer.set()
    tasks.take([_message(list(INLINE))])
    engine: Any = tasks._surroundings.engine
    wait_until(lambda: engine.texts == [INLINE], "another task is begun, and none that was given up")
    assert waiting_for_retry() == 2 * FETCHERS


def test_a_task_whose_input_hangs_until_its_deadline_is_answered(
    tasks: TasksInHand, broker: ClusterBroker, inputs: HangingInputs
) -> None:
    message = _message({"$file": "clip.json"})
    message.options["deadline"] = int(time.time() * 1000) + 200

    tasks.take([message])

    wait_until(lambda: not len(tasks), "its place is free")
    with pytest.raises(ResultFailure, match=r"DeadlineExceeded.*its deadline had passed"):
        result_backend(broker).get_result(message)


def test_a_hanging_folder_holds_up_no_contents_of_redis(tasks: TasksInHand, inputs: HangingInputs) -> None:
    tasks.take([_message({"$file": "clip.json"}) for _ in range(2 * FETCHERS)])

    tasks.take([_message({"$blob": "0" * 64})])

    engine: Any = tasks._surroundings.engine
    wait_until(lambda: engine.texts == [FETCHED], "what is in Redis is begun")
