"""An answer of Redis is lost, or never comes: no task is stranded or lost, and the log says what was recovered."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import Message
from dramatiq.results import ResultFailure

from actors.broker import create_broker
from actors.errors import TransientError
from actors.queueing.broker import ClusterBroker
from actors.queueing.results import ResultBackend
from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from tests.faults.proxy import Fault, FaultyProxy
from tests.light_worker import leftovers, working
from tests.servers import RedisServer
from tests.waiting import wait_until

#: What the commands contain on the wire.
FETCH, NACK, ENQUEUE = (b"\r\n%s\r\n" % name for name in (b"fetch", b"nack", b"enqueue"))

#: What puts a task into its lane rings.
SEND = b"\r\ncm:bell:inference\r\n"

DELAYED = b"inference.DQ"

#: Only what puts delayed messages into their list, or back there, names it and has a message or an ack set.
DELAY = (b"\r\ndramatiq:inference.DQ\r\n", b"due_as")
GIVE_BACK_DELAYED = (b"\r\ndramatiq:inference.DQ\r\n", b"__acks__")

#: What moves a delayed message to its lane names that as one key.
MOVE = b"\r\ndramatiq:inference.normal.org/a\r\n"

#: Texts that fail once and always.
ONCE, ALWAYS = "fails once", "fails always"

#: What the log says of an acknowledgement whose answer was lost.
NOTICED = ("The operation will be retried", "kept until Redis answers again")

LANE = b"inference.normal.org/a"

#: Only an acknowledgement names the hash of the bodies.
ACK = LANE + b".msgs\r\n"

#: How long the worker waits for an answer, by an option of its URL.
ANSWER_SECONDS = 0.25

#: From a fault to the end of the task.
END_MS = 8_000

LOSSES = pytest.mark.parametrize("fault", [Fault.LOST_REPLY, Fault.SILENCE, Fault.CUT], ids=lambda fault: fault.name)


@dataclass
class Rig:
    """A worker behind a proxy, and a caller with a connection of its own."""

    proxy: FaultyProxy
    direct: Settings
    caller: ClusterBroker
    worker: ClusterBroker
    actor: str = "classify"
    ran: list[str] = field(default_factory=list)

    def message(self, name: str, model: str = "org/a", **options: Any) -> Message[Any]:
        """A task that is still to be sent."""
        return Message(keys.INFERENCE_QUEUE, self.actor, (), {"model": model, "texts": [name]}, options)

    def send(self, name: str, delay: int | None = None) -> Message[Any]:
        """Sends a task around the proxy."""
        return self.caller.enqueue(self.message(name), delay=delay)

    @contextlib.contextmanager
    def held_back(self) -> Iterator[None]:
        """What is sent meanwhile waits, and is found all at once."""
        with queue_client(self.direct) as client:
            client.hset(keys.PAUSED, keys.INFERENCE_QUEUE, "")
            yield
            client.hdel(keys.PAUSED, keys.INFERENCE_QUEUE)

    def result(self, message: Message[Any]) -> str:
        """The task's result, read around the proxy."""
        result = message.get_result(backend=ResultBackend(self.direct), block=True, timeout=END_MS)
        return str(result["output"][0][0]["label"] if isinstance(result, dict) else result)

    def assert_nothing_is_left(self) -> None:
        """Waits until no list, delay or ack set of Redis has a message."""
        wait_until(lambda: not leftovers(self.direct), "no message is left", 10)

    def run(self, text: str) -> str:
        """What a task does, on whichever way."""
        self.ran.append(text)
        if text == ONCE and self.ran.count(text) == 1:
            raise TransientError("once")
        if text == ALWAYS:
            raise ValueError("always")
        return f"result of {text}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One worker for all tests of this file."""
    folder = tmp_path_factory.mktemp("lost-replies")
    server = RedisServer(folder / "redis").start()
    proxy = FaultyProxy(server.port)
    direct = Settings(_env_file=None, redis_url=server.url, state_dir=folder, gpu_devices="cpu", worker_concurrency=4)
    behind = direct.model_copy(update={"redis_url": f"{proxy.url}?socket_timeout={ANSWER_SECONDS}"})
    rig = Rig(proxy, direct, create_broker(direct), create_broker(behind))
    for name, run in {
        "classify": lambda **_: None,  # its messages are run by the engine
        "task": lambda model, texts: rig.run(*texts),
        "follow-up": lambda message, _: rig.ran.append(f"follow-up of {message['kwargs']['texts'][0]}"),
    }.items():
        dramatiq.actor(
            run, actor_name=name, broker=rig.worker, queue_name=keys.INFERENCE_QUEUE, min_backoff=1, max_backoff=10
        )
    with working(rig.worker, rig.run):
        rig.result(rig.send("first"))  # from here on Redis knows Dramatiq's script
        yield rig
    proxy.close()
    server.stop()


@pytest.fixture(params=["classify", "task"], ids=["inference", "thread"])
def rig(served: Rig, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Rig:
    """The worker, with the log at hand; an inference task goes another way than one that a Dramatiq thread runs."""
    caplog.set_level(logging.INFO)
    served.ran.clear()
    served.proxy.forget_traps()
    served.actor = request.param
    return served


@LOSSES
def test_a_lost_answer_to_a_fetch_strands_no_task(rig: Rig, fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    trap = rig.proxy.trap(fault, FETCH, LANE)
    with rig.held_back():  # two models at once: a fetch of its own follows only where there is a choice
        messages = [rig.send(f"task {number}") for number in range(5)]
        other = rig.caller.enqueue(rig.message("other", model="org/b"))

    assert [rig.result(message) for message in messages] == [f"result of task {number}" for number in range(5)]
    assert rig.result(other) == "result of other"
    assert trap.is_sprung
    assert fault is Fault.CUT or f"message(s) of {LANE.decode()!r} whose fetch was lost" in caplog.text
    rig.assert_nothing_is_left()


@LOSSES
def test_a_lost_answer_to_the_fetch_of_a_delayed_task_strands_it_not(rig: Rig, fault: Fault) -> None:
    trap = rig.proxy.trap(fault, FETCH, DELAYED)

    message = rig.send("late", delay=100)

    assert rig.result(message) == "result of late"
    assert trap.is_sprung
    rig.assert_nothing_is_left()


@LOSSES
def test_a_lost_answer_to_a_look_at_the_lanes_costs_a_look(rig: Rig, fault: Fault) -> None:
    trap = rig.proxy.trap(fault, keys.LANES.encode(), keys.FREE_WORKERS.encode())
    wait_until(lambda: trap.is_sprung, "the worker looks")

    assert rig.result(rig.send("task")) == "result of task"
    rig.assert_nothing_is_left()


@LOSSES
@pytest.mark.parametrize("verdict", [ACK, NACK])
def test_a_lost_answer_to_an_acknowledgement_leaves_nothing_behind(
    rig: Rig, fault: Fault, verdict: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    trap = rig.proxy.trap(fault, verdict, LANE)
    message = rig.send(ALWAYS if verdict is NACK else "task")

    if verdict is NACK:
        with pytest.raises(ResultFailure, match="ValueError: always"):
            rig.result(message)
    else:
        assert rig.result(message) == "result of task"
    wait_until(lambda: trap.is_sprung, "the task is put away")
    rig.assert_nothing_is_left()
    assert len(rig.ran) == 1
    wait_until(lambda: any(line in caplog.text for line in NOTICED), "the worker notices")


@LOSSES
def test_a_lost_answer_to_a_result_costs_another_try(rig: Rig, fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    trap = rig.proxy.trap(fault, b"result of task")

    assert rig.result(rig.send("task")) == "result of task"

    rig.assert_nothing_is_left()
    assert trap.is_sprung
    assert rig.ran == ["task"]
    assert "kept until Redis answers again" in caplog.text


@LOSSES
def test_a_lost_answer_to_a_failure_costs_another_try(rig: Rig, fault: Fault) -> None:
    trap = rig.proxy.trap(fault, b"ValueError", b"always")

    with pytest.raises(ResultFailure, match="ValueError: always"):
        rig.result(rig.send(ALWAYS))

    rig.assert_nothing_is_left()
    assert trap.is_sprung
    assert rig.ran == [ALWAYS]


@LOSSES
def test_a_lost_answer_to_the_note_of_a_delivery_does_not_hold_the_task_up(rig: Rig, fault: Fault) -> None:
    trap = rig.proxy.trap(fault, b"cm:deliveries:")

    assert rig.result(rig.send("task")) == "result of task"

    rig.assert_nothing_is_left()
    assert trap.is_sprung


@LOSSES
def test_a_lost_answer_to_the_enqueue_of_a_retry_loses_no_task(rig: Rig, fault: Fault) -> None:
    trap = rig.proxy.trap(fault, *DELAY)

    assert rig.result(rig.send(ONCE)) == f"result of {ONCE}"

    assert trap.is_sprung
    rig.assert_nothing_is_left()
    assert rig.ran == [ONCE, ONCE]


@LOSSES
def test_a_lost_answer_to_the_enqueue_of_a_delayed_task_that_is_due_loses_no_task(rig: Rig, fault: Fault) -> None:
    trap = rig.proxy.trap(fault, MOVE, b"task")

    assert rig.result(rig.send("task", delay=100)) == "result of task"

    assert trap.is_sprung
    rig.assert_nothing_is_left()
    assert rig.ran == ["task"]


@LOSSES
def test_delayed_tasks_outlive_an_absence_of_redis_when_one_of_them_is_due(
    rig: Rig, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    traps = [rig.proxy.trap(fault, MOVE, b"first"), *(rig.proxy.trap(fault, *GIVE_BACK_DELAYED) for _ in range(2))]
    first, second = rig.send("first", delay=600), rig.send("second", delay=800)  # a busy worker has both by then

    assert [rig.result(first), rig.result(second)] == ["result of first", "result of second"]
    assert traps[0].is_sprung
    assert traps[1].is_sprung
    rig.assert_nothing_is_left()
    assert rig.ran.count("second") == 1


@LOSSES
def test_a_lost_answer_to_the_enqueue_of_a_pipelines_next_task_loses_it_not(rig: Rig, fault: Fault) -> None:
    trap = rig.proxy.trap(fault, SEND, b"second")
    first, second = rig.message("first"), rig.message("second", pipe_ignore=True)

    dramatiq.pipeline([first, second], broker=rig.caller).run()

    assert rig.result(second) == "result of second"
    assert trap.is_sprung
    rig.assert_nothing_is_left()


@LOSSES
def test_a_lost_answer_to_the_enqueue_of_a_callback_loses_it_not(rig: Rig, fault: Fault) -> None:
    trap = rig.proxy.trap(fault, ENQUEUE, b"follow-up")

    rig.caller.enqueue(rig.message("first", on_success="follow-up"))

    wait_until(lambda: "follow-up of first" in rig.ran, "the callback runs")
    assert trap.is_sprung
    rig.assert_nothing_is_left()


@LOSSES
def test_a_caller_whose_enqueue_was_lost_is_told_so(rig: Rig, fault: Fault) -> None:
    trap = rig.proxy.trap(fault, SEND, b"doubtful")
    message = rig.message("doubtful")

    with pytest.raises((redis.ConnectionError, redis.TimeoutError)):
        rig.worker.enqueue(message)

    assert trap.is_sprung
    assert fault is Fault.CUT or rig.result(message) == "result of doubtful"
    rig.assert_nothing_is_left()
