"""A task whose inputs have to be fetched holds up no other."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from dramatiq import Message

from actors.broker import create_broker
from actors.engine.work import Job
from actors.inference import embed
from actors.payloads import Request, is_reference
from actors.queueing.broker import ClusterBroker
from actors.queueing.cancellations import Cancellations
from actors.queueing.commands import execute
from actors.queueing.results import result_backend
from actors.serving.inference_task import Surroundings
from actors.serving.tasks_in_hand import FETCHERS, TasksInHand
from settings.config import Settings
from tests.engine.jobs import job
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
    tasks = TasksInHand(
        broker, surroundings, Cancellations(results), lambda messages, questions: execute(results, questions)
    )

    tasks.take([*[_message({"$file": "clip.json"})] * (2 * FETCHERS), _message(list(INLINE))])

    wait_until(lambda: engine.texts == [INLINE], "the inline task is begun")
    inputs.may_answer.set()
    wait_until(lambda: engine.texts.count(FETCHED) == 2 * FETCHERS, "the others follow")
    assert engine.seconds[-1] < engine.seconds[0] < 60, "fetching is taken off a task's time"
    tasks.stop(0)
