"""Inference tasks between their claim and their acknowledgement, with an engine that does what the test says."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import dramatiq
import pytest
import redis
from dramatiq import Message
from redis.exceptions import OutOfMemoryError

from actors.broker import create_broker
from actors.client import Client
from actors.devices.backend import DeviceName
from actors.engine.work import Completion, Job, Output
from actors.errors import (
    DeadlineExceeded,
    InferenceFailed,
    PermanentError,
    ResultTimeout,
    StoreUnreachable,
    TaskCancelled,
)
from actors.model_store.arrival import Arrival
from actors.model_store.progress import Progress
from actors.queueing import commands
from actors.queueing.broker import ClusterBroker
from actors.queueing.cancellations import Cancellations
from actors.queueing.commands import Command
from actors.queueing.consumer import WakingConsumer
from actors.queueing.inputs import open_inputs
from actors.queueing.results import result_backend
from actors.queueing.streams import StreamPublisher
from actors.serving.inference_task import Surroundings
from actors.serving.tasks_in_hand import TasksInHand
from settings import keys
from settings.config import Settings
from tests.engine.jobs import job
from tests.serving.delivery_notes import DeliveryNotes
from tests.waiting import wait_until

LANE = "inference.normal.org/name"
REQUEST = {"model": "org/name", "texts": ["a text"]}


class Engine:
    """Keeps the jobs that it is given until the test ends them."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.refuses_with: Exception | None = None
        self.coming_model: Arrival | None = None
        self.is_free: Future[None] = Future()
        """Done when the device has nothing left that was given up."""
        self.is_free.set_result(None)

    def between_batches(self, _: object) -> "Future[None]":
        return self.is_free

    def plan(self, *_: Any) -> Job:
        if self.refuses_with:
            raise self.refuses_with
        planned = job("org/name")
        planned.coming_model = self.coming_model
        return planned

    def submit(self, jobs: Sequence[Job]) -> None:
        self.jobs.extend(jobs)

    def finish(self, job: Job) -> object:
        return [output.value for output in job.future.result().outputs]


def complete(job: Job, value: object = "output") -> None:
    job.future.set_result(Completion((Output(value),), job.model, "float32", 1, 3, 0, 0.0, 0.0, 0.0, 0.0))


@pytest.fixture
def broker(settings: Settings) -> Iterator[ClusterBroker]:
    broker = create_broker(settings)
    declared = {"broker": broker, "queue_name": keys.INFERENCE_QUEUE, "throws": (PermanentError,)}
    dramatiq.actor(lambda **fields: None, actor_name="embed", **declared)
    yield broker
    broker.close()


@pytest.fixture
def client(settings: Settings, broker: ClusterBroker) -> Client:
    return Client(settings, broker)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def notes(broker: ClusterBroker) -> DeliveryNotes:
    return DeliveryNotes(result_backend(broker).client)


@pytest.fixture
def tasks(settings: Settings, broker: ClusterBroker, engine: Engine, notes: DeliveryNotes) -> Iterator[TasksInHand]:
    results = result_backend(broker).client
    streams = StreamPublisher(results, settings.result_ttl)
    device: Any = SimpleNamespace(name=DeviceName("cpu", 0))
    surroundings = Surroundings("host-1", device, engine, streams, open_inputs(results, settings), settings)  # type: ignore[arg-type]  # a fake
    tasks = TasksInHand(broker, surroundings, Cancellations(results), notes)
    yield tasks
    tasks.stop(timeout_seconds=0.1)
    streams.stop()


@pytest.fixture
def claim(broker: ClusterBroker, tasks: TasksInHand) -> Callable[[], bool]:
    """Takes everything out of the lane and into hand."""
    consumer = WakingConsumer(broker, keys.INFERENCE_QUEUE, 10, 100)
    return lambda: tasks.take(consumer._fetch_from(LANE, 10))


def bodies(client: redis.Redis) -> int:
    return client.hlen(keys.bodies(LANE))


def test_a_task_ends_with_its_result_and_its_acknowledgement(
    client: Client, claim: Callable[[], bool], engine: Engine, tasks: TasksInHand, queue_redis: redis.Redis
) -> None:
    message = client.send("embed", **REQUEST)
    assert claim()
    wait_until(lambda: engine.jobs, "it was begun")
    assert tasks.models == {"org/name"}
    assert bodies(queue_redis) == 1

    complete(engine.jobs[0], "vectors")

    assert client.result(message, timeout=10).output == ["vectors"]
    wait_until(lambda: not len(tasks), "it is out of hand")
    assert bodies(queue_redis) == 0


@pytest.mark.parametrize("output", [2**70, "\ud800", {1, 2}], ids=["large number", "half a character", "set"])
def test_a_result_that_json_cannot_carry_is_told_as_a_failure_and_its_neighbours_are_not_hurt(
    client: Client, claim: Callable[[], bool], engine: Engine, queue_redis: redis.Redis, output: object
) -> None:
    odd, plain = client.send("embed", **REQUEST), client.send("embed", **REQUEST)
    claim()
    wait_until(lambda: len(engine.jobs) == 2, "both were begun")

    complete(engine.jobs[0], output)
    complete(engine.jobs[1])

    with pytest.raises(InferenceFailed, match="the result cannot be written as JSON: "):
        client.result(odd, timeout=10)
    assert client.result(plain, timeout=10).output == ["output"]
    wait_until(lambda: bodies(queue_redis) == 0, "both are acknowledged")


def test_a_task_that_ends_early_does_not_wait_for_those_it_was_claimed_with(
    client: Client, claim: Callable[[], bool], engine: Engine, tasks: TasksInHand
) -> None:
    slow, fast = client.send("embed", **REQUEST), client.send("embed", **REQUEST)
    claim()
    wait_until(lambda: len(engine.jobs) == 2, "both were begun")

    complete(engine.jobs[1])

    assert client.result(fast, timeout=10).output == ["output"]
    with pytest.raises(ResultTimeout):
        client.result(slow, timeout=0.01)
    assert len(tasks) == 1


def test_tasks_that_ended_together_are_settled_in_three_round_trips(
    client: Client, claim: Callable[[], bool], engine: Engine, tasks: TasksInHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [client.send("embed", **REQUEST) for _ in range(10)]
    claim()
    wait_until(lambda: len(engine.jobs) == 10, "all were begun")
    round_trips: list[int] = []
    send = commands._send

    def counted(client: redis.Redis, sent: Sequence[Command], at_once: bool) -> list[Any]:
        if threading.current_thread() is tasks._finisher:
            round_trips.append(len(sent))
        return send(client, sent, at_once)

    monkeypatch.setattr(commands, "_send", counted)
    blocked = threading.Event()
    monkeypatch.setattr(engine, "finish", lambda job: blocked.wait() and "output")  # holds the finisher
    for each in engine.jobs:
        complete(each)
    blocked.set()

    assert [client.result(message, timeout=10).output for message in messages] == ["output"] * 10
    wait_until(lambda: not len(tasks), "all are out of hand")
    assert len(round_trips) <= 4
    assert set(round_trips) == {1}  # command, for however many tasks


def test_what_the_engine_refuses_is_answered(
    client: Client, claim: Callable[[], bool], engine: Engine, queue_redis: redis.Redis
) -> None:
    engine.refuses_with = InferenceFailed("it cannot be run")
    message = client.send("embed", **REQUEST)

    claim()

    with pytest.raises(InferenceFailed, match="it cannot be run"):
        client.result(message, timeout=10)
    wait_until(lambda: bodies(queue_redis) == 0, "its message is put away")
    assert queue_redis.zcard(keys.dead(LANE)) == 1


def test_what_may_pass_is_tried_again_later(
    client: Client, claim: Callable[[], bool], engine: Engine, queue_redis: redis.Redis
) -> None:
    engine.refuses_with = StoreUnreachable("the share is away")
    client.send("embed", **REQUEST)

    claim()

    wait_until(lambda: queue_redis.hlen(keys.delayed_bodies(keys.INFERENCE_QUEUE)) == 1, "it is delayed")
    wait_until(lambda: bodies(queue_redis) == 0, "the first attempt is acknowledged")


def test_a_task_whose_model_does_not_come_is_tried_again_and_leaves_its_place(
    client: Client, claim: Callable[[], bool], engine: Engine, tasks: TasksInHand, queue_redis: redis.Redis
) -> None:
    engine.coming_model = Arrival(Progress("org/name", lambda size: 0.0))
    client.send("embed", **REQUEST)

    claim()

    wait_until(lambda: not len(tasks), "its place is free")
    assert queue_redis.hlen(keys.delayed_bodies(keys.INFERENCE_QUEUE)) == 1


def test_a_task_that_has_its_result_is_acknowledged_and_not_begun(
    client: Client, claim: Callable[[], bool], broker: ClusterBroker, engine: Engine, queue_redis: redis.Redis
) -> None:
    message = client.send("embed", **REQUEST)
    result_backend(broker).store_result(message, "of the first delivery", 60_000)

    claim()

    wait_until(lambda: bodies(queue_redis) == 0, "it is acknowledged")
    assert not engine.jobs
    assert result_backend(broker).get_result(message) == "of the first delivery"


@pytest.mark.parametrize("error", [redis.ResponseError("WRONGTYPE"), redis.TimeoutError(), OutOfMemoryError("OOM")])
def test_tasks_of_which_redis_tells_nothing_are_run_and_their_cancelling_is_looked_for_again(
    client: Client,
    claim: Callable[[], bool],
    engine: Engine,
    tasks: TasksInHand,
    result_redis: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    error: redis.RedisError,
) -> None:
    monkeypatch.setattr(tasks._notes, "note_all", Mock(side_effect=error))
    tasks._cancellations.start()
    wait_until(lambda: result_redis.publish(keys.CANCELS, "nobody"), "the listener listens")
    wanted, cancelled = client.send("embed", **REQUEST), client.send("embed", **REQUEST)
    client.cancel(cancelled)

    claim()
    wait_until(lambda: len(engine.jobs) == 2, "both were begun")
    complete(engine.jobs[0])

    assert client.result(wanted, timeout=10).output == ["output"]
    with pytest.raises(TaskCancelled):
        client.result(cancelled, timeout=10)
    tasks._cancellations.stop()


def test_a_process_that_stops_waits_for_what_it_has_in_hand_and_takes_no_more(
    client: Client, claim: Callable[[], bool], engine: Engine, tasks: TasksInHand
) -> None:
    message = client.send("embed", **REQUEST)
    claim()
    wait_until(lambda: engine.jobs, "it was begun")
    stopping = threading.Thread(target=tasks.stop, args=(20.0,))
    stopping.start()
    wait_until(lambda: tasks.takes_none, "it stops")

    client.send("embed", **REQUEST)
    assert not claim()
    complete(engine.jobs[0])
    stopping.join()

    assert client.result(message, timeout=10).output == ["output"]
    assert len(engine.jobs) == 1


def test_what_may_have_ended_processes_is_run_one_by_one_with_nothing_beside_it(
    client: Client, claim: Callable[[], bool], engine: Engine, tasks: TasksInHand, notes: DeliveryNotes
) -> None:
    other, *suspects = [client.send("embed", **REQUEST) for _ in range(3)]
    notes.suspected = {message.message_id for message in suspects}
    claim()
    wait_until(lambda: len(engine.jobs) == 1 and tasks.takes_none, "the other one was begun, and nothing more is taken")
    client.send("embed", **REQUEST)
    assert not claim()

    for number, message in enumerate([other, *suspects]):
        wait_until(lambda count=number + 1: len(engine.jobs) == count, "the next one was begun")
        assert tasks.takes_none
        complete(engine.jobs[number], number)
        assert client.result(message, timeout=10).output == [number]

    wait_until(lambda: not tasks.takes_none, "tasks are taken again")


def test_what_is_to_be_run_alone_waits_for_the_device_to_end_what_was_given_up(
    client: Client, claim: Callable[[], bool], engine: Engine, tasks: TasksInHand, notes: DeliveryNotes
) -> None:
    engine.is_free = Future()
    suspect = client.send("embed", **REQUEST)
    notes.suspected = {suspect.message_id}
    claim()
    wait_until(lambda: tasks.takes_none, "it waits for the device")
    assert notes.suspected
    assert not engine.jobs

    engine.is_free.set_result(None)
    wait_until(lambda: engine.jobs, "it was begun")
    complete(engine.jobs[0], "vectors")

    assert client.result(suspect, timeout=10).output == ["vectors"]


def test_what_ended_while_it_waited_for_the_device_is_not_begun(
    client: Client, claim: Callable[[], bool], engine: Engine, tasks: TasksInHand, notes: DeliveryNotes
) -> None:
    engine.is_free = Future()
    late = client.send("embed", timeout=0.3, **REQUEST)
    notes.suspected = {late.message_id}
    claim()
    with pytest.raises(DeadlineExceeded):
        client.result(late, timeout=10)
    wait_until(lambda: not tasks.takes_none, "nothing waits for its turn any more")

    engine.is_free.set_result(None)
    tasks._starters.submit(lambda: None).result()
    client.send("embed", **REQUEST)
    claim()
    wait_until(lambda: engine.jobs, "the next one was begun")

    assert notes.suspected == {late.message_id}


def test_what_waits_to_be_run_alone_ends_when_it_is_cancelled(
    client: Client, claim: Callable[[], bool], engine: Engine, tasks: TasksInHand, notes: DeliveryNotes
) -> None:
    tasks._cancellations.start()
    client.send("embed", **REQUEST)
    unwanted = client.send("embed", **REQUEST)
    notes.suspected = {unwanted.message_id}
    claim()
    wait_until(lambda: engine.jobs and tasks.takes_none, "one was begun and one waits")

    client.cancel(unwanted)

    with pytest.raises(TaskCancelled, match="embed was not begun: it was cancelled"):
        client.result(unwanted, timeout=10)
    wait_until(lambda: not tasks.takes_none, "nothing waits for its turn any more")
    tasks._cancellations.stop()


def test_what_was_cancelled_before_it_was_claimed_does_not_wait_to_be_run_alone(
    client: Client, claim: Callable[[], bool], engine: Engine, tasks: TasksInHand, notes: DeliveryNotes
) -> None:
    client.send("embed", **REQUEST)
    unwanted = client.send("embed", **REQUEST)
    notes.suspected = {unwanted.message_id}
    client.cancel(unwanted)
    claim()

    with pytest.raises(TaskCancelled):
        client.result(unwanted, timeout=10)
    wait_until(lambda: engine.jobs, "the other one was begun")
    assert not tasks.takes_none


def test_what_waits_to_be_run_alone_ends_at_its_deadline(
    client: Client, claim: Callable[[], bool], engine: Engine, tasks: TasksInHand, notes: DeliveryNotes
) -> None:
    client.send("embed", **REQUEST)
    late = client.send("embed", timeout=0.5, **REQUEST)
    notes.suspected = {late.message_id}
    claim()

    with pytest.raises(DeadlineExceeded, match="embed was not begun: its deadline had passed"):
        client.result(late, timeout=10)
    wait_until(lambda: not tasks.takes_none, "nothing waits for its turn any more")
    assert len(engine.jobs) == 1


def test_what_waits_to_be_run_alone_holds_up_no_process_that_stops(
    client: Client, claim: Callable[[], bool], engine: Engine, tasks: TasksInHand, notes: DeliveryNotes
) -> None:
    client.send("embed", **REQUEST)
    notes.suspected = {client.send("embed", **REQUEST).message_id}
    claim()
    wait_until(lambda: engine.jobs and tasks.takes_none, "one was begun and one waits")
    stopping = threading.Thread(target=tasks.stop, args=(60.0,))
    stopping.start()
    complete(engine.jobs[0])

    stopping.join(20.0)
    assert not stopping.is_alive()
    assert len(engine.jobs) == 1


def test_only_inference_tasks_are_run_without_a_thread(broker: ClusterBroker) -> None:
    def message(queue: str, actor: str) -> Message[Any]:
        return Message(queue_name=queue, actor_name=actor, args=(), kwargs={}, options={})

    assert TasksInHand.runs(message(keys.INFERENCE_QUEUE, "embed"))
    assert not TasksInHand.runs(message(keys.CONTROL_QUEUE, "embed"))
    assert not TasksInHand.runs(message(keys.INFERENCE_QUEUE, "somebody's own"))
