"""Redis dies or stands still under load: what was sent ends, once."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import Message

from actors.broker import create_broker
from actors.queueing.broker import ClusterBroker
from actors.queueing.results import ResultBackend
from settings import keys
from settings.config import Settings
from tests.light_worker import leftovers, working
from tests.servers import RedisServer
from tests.waiting import wait_until

TASKS = 400

#: How long Redis stands still: longer than anybody waits for an answer.
STILL_SECONDS = 10.0

#: How long it is away.
AWAY_SECONDS = 4.0

#: Where one task's caller gives up.
END_MS = 30_000


class Load:
    """Tasks that are sent one after another, whatever becomes of Redis; a send that fails is tried again."""

    def __init__(self, broker: ClusterBroker) -> None:
        self._broker = broker
        self.sent: list[Message[Any]] = []
        self.refused = 0
        self._thread = threading.Thread(target=self._send_all)
        self._thread.start()

    def wait_until_sent(self) -> list[Message[Any]]:
        """What `enqueue` has returned for, all of it."""
        self._thread.join()
        return self.sent

    def _send_all(self) -> None:
        while len(self.sent) < TASKS:
            number = len(self.sent)
            fields = {"model": "org/a", "texts": [str(number)]}
            message: Message[Any] = Message(keys.INFERENCE_QUEUE, "classify", (), fields, {})
            try:
                self.sent.append(self._broker.enqueue(message, delay=None if number % 10 else 500))
            except (redis.ConnectionError, redis.TimeoutError):
                self.refused += 1
                threading.Event().wait(0.1)


class Runs:
    """What has run, and how often."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def compute(self, text: str) -> str:
        """A short computation."""
        self.counts[text] += 1
        threading.Event().wait(0.005)
        return text


@pytest.fixture
def settings(own_redis: RedisServer, tmp_path: Path) -> Settings:
    """A worker on a Redis that this test may stop."""
    return Settings(
        _env_file=None, redis_url=own_redis.url, state_dir=tmp_path, gpu_devices="cpu", worker_concurrency=8
    )


@pytest.fixture
def broker(settings: Settings) -> Iterator[ClusterBroker]:
    broker = create_broker(settings)
    dramatiq.actor(lambda **_: None, broker=broker, queue_name=keys.INFERENCE_QUEUE, actor_name="classify")
    yield broker
    broker.close()


def crash(server: RedisServer) -> None:
    """Redis is killed and starts again with what it had written down."""
    server.kill()
    server.start()


def stand_still(server: RedisServer) -> None:
    """Redis accepts connections and answers nothing for a time."""
    server.freeze()
    _let_pass(STILL_SECONDS)
    server.thaw()


def go_away(server: RedisServer) -> None:
    """Redis ends and is started again later."""
    server.stop()
    _let_pass(AWAY_SECONDS)
    server.start()


def _let_pass(seconds: float) -> None:
    threading.Event().wait(seconds)


@pytest.mark.parametrize("accident", [crash, stand_still, go_away])
def test_what_was_sent_before_and_meanwhile_ends_once(
    accident: Callable[[RedisServer], None], own_redis: RedisServer, settings: Settings, broker: ClusterBroker
) -> None:
    runs = Runs()
    with working(broker, runs.compute):
        load = Load(create_broker(settings))
        wait_until(lambda: len(runs.counts) > TASKS // 10, "tasks are run")

        accident(own_redis)

        results, backend = {}, ResultBackend(settings)
        for message in load.wait_until_sent():
            label = message.get_result(backend=backend, block=True, timeout=END_MS)["output"][0][0]["label"]
            results[message.kwargs["texts"][0]] = label
        wait_until(lambda: not leftovers(settings), "nothing is left in Redis")

    assert results == {str(number): str(number) for number in range(TASKS)}
    assert runs.counts.total() <= TASKS + load.refused + settings.worker_concurrency, "hardly any ran twice"
