"""Whoever knows Dramatiq knows what to expect: its promises hold with this project's broker, lanes and hooks."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import TimeLimitExceeded
from dramatiq.results import ResultFailure, ResultMissing, ResultTimeout

from actors.broker import create_broker
from actors.errors import TransientError
from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from tests.light_worker import leftovers, working
from tests.servers import RedisServer
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("forbids_keys")

QUEUE = keys.INFERENCE_QUEUE

#: How long a caller waits at most, in milliseconds.
PATIENCE_MS = 15_000


class House:
    """A worker's broker with light actors; what they were called with is on `calls`."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.broker = settings, create_broker(settings)
        self.calls: list[tuple[Any, ...]] = []
        self.gate = threading.Event()
        self.add = self.actor("add", lambda *numbers, **_: sum(numbers))
        self.note = self.actor("note", lambda *values, **_: self.calls.append(values))
        self.fail = self.actor("fail", self._fail)
        self.falter = self.actor("falter", self._falter, min_backoff=100, max_backoff=1_000)
        self.wait = self.actor("wait", self._wait)
        quick: dict[str, Any] = {"min_backoff": 10, "max_backoff": 20}
        self.twice_more = self.guest("twice_more", self._fail, max_retries=2, **quick)
        self.again = self.guest("again", self._again)
        self.thrown = self.guest("thrown", self._fail, throws=ValueError, **quick)
        self.choosy = self.guest("choosy", self._fail, retry_when=lambda retries, error: retries < 1, **quick)

    def actor(self, name: str, run: Callable[..., Any], **options: Any) -> "dramatiq.Actor[..., Any]":
        """Declares an actor of the queue that workers serve."""
        return dramatiq.actor(run, broker=self.broker, queue_name=QUEUE, actor_name=name, **options)

    def guest(self, name: str, run: Callable[..., Any], **options: Any) -> "dramatiq.Actor[..., Any]":
        """Declares somebody else's actor, on a queue of its own, which a worker serves that has its module."""
        return dramatiq.actor(run, broker=self.broker, queue_name="guests", actor_name=name, **options)

    def result(self, message: "dramatiq.Message[Any]", timeout: int = PATIENCE_MS) -> Any:
        """Waits for a result as a caller does."""
        return message.get_result(backend=self.broker.get_results_backend(), block=True, timeout=timeout)

    def _fail(self, *_: Any) -> None:
        self.calls.append(("fail",))
        raise ValueError("no")

    def _falter(self) -> int:
        self.calls.append(("falter", time.time()))
        if len(self.calls) < 3:
            raise TransientError("not yet")
        return len(self.calls)

    def _again(self) -> int:
        self.calls.append(("again",))
        if len(self.calls) < 2:
            raise dramatiq.Retry("once more", delay=10)
        return len(self.calls)

    def _wait(self, *_: Any) -> None:
        self.calls.append(("wait",))
        while not self.gate.wait(0.01):
            pass


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One worker for all sentences of this file."""
    folder = tmp_path_factory.mktemp("contract")
    server = RedisServer(folder / "redis").start()
    settings = Settings(_env_file=None, redis_url=server.url, state_dir=folder, gpu_devices="cpu", worker_concurrency=1)
    house, own_broker = House(settings), dramatiq.get_broker()
    dramatiq.set_broker(house.broker)  # as `import actors` does; pipelines and groups use it
    with working(house.broker):
        yield house
    dramatiq.set_broker(own_broker)
    server.stop()


@pytest.fixture
def house(running: House) -> Iterator[House]:
    """The worker, with nothing left to do before and after."""
    running.calls.clear()
    running.gate.clear()
    yield running
    running.gate.set()
    wait_until(lambda: not leftovers(running.settings), "every message has been put away")


@pytest.fixture
def queues(house: House) -> Iterator[redis.Redis]:
    """A client that looks at the queue."""
    with queue_client(house.settings) as client:
        yield client


def test_a_message_that_is_sent_is_run(house: House) -> None:
    house.note.send(1, 2)

    wait_until(lambda: house.calls == [(1, 2)], "it has run")


def test_a_result_can_be_waited_for_and_read_again(house: House) -> None:
    message = house.add.send(1, 2)

    assert [house.result(message), house.result(message)] == [3, 3]
    assert message.get_result(backend=house.broker.get_results_backend()) == 3


def test_a_result_that_is_not_there_yet_is_missing(house: House) -> None:
    message = house.wait.send()
    backend = house.broker.get_results_backend()

    with pytest.raises(ResultMissing):
        message.get_result(backend=backend)
    with pytest.raises(ResultTimeout):
        house.result(message, timeout=50)


def test_an_actor_that_returns_nothing_has_the_result_none(house: House) -> None:
    assert house.result(house.note.send()) is None


def test_a_failure_is_raised_at_the_caller(house: House) -> None:
    with pytest.raises(ResultFailure, match="ValueError: no"):
        house.result(house.fail.send())


def test_a_delayed_message_runs_when_its_time_has_come(house: House) -> None:
    due = time.time() + 0.5
    message = house.add.send_with_options(args=(2, 3), delay=500)

    assert house.result(message) == 5
    assert due - 0.05 < time.time() < due + 2


def test_what_may_pass_is_retried_with_pauses_that_grow(house: House) -> None:
    assert house.result(house.falter.send()) == 3

    first, second = (after[1] - before[1] for before, after in itertools.pairwise(house.calls))
    assert first >= 0.1
    assert second >= 0.2


def test_what_cannot_pass_is_not_retried(house: House) -> None:
    with pytest.raises(ResultFailure):
        house.result(house.fail.send_with_options(min_backoff=1))

    assert house.calls == [("fail",)]


@pytest.mark.parametrize(("name", "runs"), [("twice_more", 3), ("choosy", 2), ("thrown", 1)])
def test_an_actor_on_a_queue_of_its_own_is_retried_as_it_asks(house: House, name: str, runs: int) -> None:
    with pytest.raises(ResultFailure, match="ValueError: no"):
        house.result(getattr(house, name).send())

    assert house.calls == [("fail",)] * runs


def test_an_actor_on_a_queue_of_its_own_may_ask_for_another_run(house: House) -> None:
    assert house.result(house.again.send()) == 2


def test_a_message_that_failed_for_good_is_a_dead_letter(house: House, queues: redis.Redis) -> None:
    message = house.fail.send()
    with pytest.raises(ResultFailure):
        house.result(message)

    wait_until(lambda: _dead_letter(queues, message) is not None, "the letter is there")
    assert _dead_letter(queues, message) == message.message_id


def test_a_pipeline_passes_each_result_on(house: House) -> None:
    pipeline = dramatiq.pipeline([house.add.message(1, 2), house.add.message(10), house.add.message(100)]).run()

    assert pipeline.get_result(block=True, timeout=PATIENCE_MS) == 113
    assert list(pipeline.get_results()) == [3, 13, 113]


def test_a_message_with_pipe_ignore_does_not_get_the_result_before_it(house: House) -> None:
    second = house.add.message_with_options(args=(10,), pipe_ignore=True)

    pipeline = dramatiq.pipeline([house.add.message(1, 2), second]).run()

    assert pipeline.get_result(block=True, timeout=PATIENCE_MS) == 10


def test_a_pipeline_ends_with_the_task_that_fails(house: House) -> None:
    pipeline = dramatiq.pipeline([house.fail.message(), house.note.message()]).run()

    with pytest.raises(ResultFailure):
        house.result(pipeline.messages[0])
    wait_until(lambda: not leftovers(house.settings), "nothing more comes")
    assert house.calls == [("fail",)]


def test_a_group_runs_together_and_gives_its_results_in_order(house: House) -> None:
    group = dramatiq.group([house.add.message(number, 1) for number in range(5)]).run()

    assert list(group.get_results(block=True, timeout=PATIENCE_MS)) == [1, 2, 3, 4, 5]
    assert group.completed


def test_a_group_of_pipelines_gives_the_last_result_of_each(house: House) -> None:
    pipelines = [dramatiq.pipeline([house.add.message(number), house.add.message(1)]) for number in range(3)]

    group = dramatiq.group(pipelines).run()

    assert list(group.get_results(block=True, timeout=PATIENCE_MS)) == [1, 2, 3]


def test_a_groups_completion_callback_is_refused_before_anything_is_sent(house: House) -> None:
    group = dramatiq.group([house.note.message(1)])
    group.add_completion_callback(house.note.message("all done"))

    with pytest.raises(RuntimeError, match="GroupCallbacks middleware not found"):
        group.run()
    assert house.calls == []


def test_on_success_is_told_the_message_and_its_result(house: House) -> None:
    message = house.add.send_with_options(args=(1, 2), on_success="note")

    wait_until(lambda: house.calls, "the callback has run")
    ((told, result),) = house.calls
    assert (told["message_id"], result) == (message.message_id, 3)


def test_on_failure_is_told_the_message_and_its_error(house: House) -> None:
    message = house.fail.send_with_options(on_failure="note")

    wait_until(lambda: len(house.calls) == 2, "the callback has run")
    told, error = house.calls[1]
    assert (told["message_id"], error) == (message.message_id, {"type": "ValueError", "message": "no"})


def test_a_message_beyond_its_age_limit_is_not_run(house: House) -> None:
    fresh = house.note.message_with_options(args=("old",), max_age=1_000)
    old = dramatiq.Message(**{**fresh.asdict(), "message_timestamp": fresh.message_timestamp - 2_000})

    house.broker.enqueue(old)

    with pytest.raises(ResultFailure, match="Message age limit exceeded"):
        house.result(old)
    assert house.calls == []


def test_a_task_beyond_its_time_limit_is_stopped(house: House) -> None:
    with pytest.raises(ResultFailure, match=TimeLimitExceeded.__name__):
        house.result(house.wait.send_with_options(time_limit=100))


def test_a_message_of_higher_priority_goes_before_those_that_wait(house: House) -> None:
    house.wait.send()
    wait_until(lambda: house.calls, "the worker has its hands full")
    for priority in (5, 9, 1):
        house.note.send_with_options(args=(priority,), kwargs={"model": "org/a"}, priority=priority)

    house.gate.set()

    wait_until(lambda: len(house.calls) == 4, "all have run")
    assert house.calls[1:] == [(1,), (5,), (9,)]


def test_a_message_of_plain_dramatiq_is_served(house: House) -> None:
    plain = RedisBroker(url=str(house.settings.redis_url), middleware=[])

    message = plain.enqueue(dramatiq.Message(QUEUE, "add", (4, 5), {}, {}))

    assert house.result(message) == 9


def test_a_message_of_ours_is_an_ordinary_one_of_plain_dramatiq(house: House) -> None:
    plain = RedisBroker(url=str(house.settings.redis_url), middleware=[])
    sent = create_broker(house.settings).enqueue(dramatiq.Message("theirs", "act", (1,), {"model": "org/a"}, {}))

    (received,) = itertools.islice(plain.consume("theirs", prefetch=1, timeout=100), 1)

    assert received is not None
    assert (received.message_id, received.args, received.kwargs) == (sent.message_id, (1,), {"model": "org/a"})
    plain.consume("theirs").ack(received)


def _dead_letter(queues: redis.Redis, message: "dramatiq.Message[Any]") -> str | None:
    bodies: Any = queues.hvals(keys.dead_bodies(QUEUE))
    letters = [dramatiq.Message.decode(body).message_id for body in bodies]
    return next((letter for letter in letters if letter == message.message_id), None)
