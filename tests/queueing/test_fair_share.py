"""A burst is shared among the workers that are free: real consumers, each of a broker of its own, on one Redis."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from dramatiq import Message

from actors.broker import create_broker
from actors.queueing.exchange import run
from settings import keys
from settings.config import Settings
from tests.waiting import wait_until

WORKERS, TASKS = 5, 64


class FreeWorker:
    """A consumer with room for the whole burst, asked again and again; what it is given stays in its hand."""

    def __init__(self, settings: Settings) -> None:
        self.taken: list[Any] = []
        self._broker = create_broker(settings)
        self._consumer = self._broker.consume(keys.INFERENCE_QUEUE, prefetch=TASKS, timeout=50)
        self._is_stopped = False
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        while not self._is_stopped:
            if message := next(self._consumer):
                self.taken.append(message)

    def stop(self) -> None:
        """Ends the thread."""
        self._is_stopped = True
        self._thread.join()
        self._broker.close()


@pytest.fixture
def workers(settings: Settings, queue_redis: redis.Redis) -> Iterator[list[FreeWorker]]:
    """As many as have said that they are free."""
    started = [FreeWorker(settings) for _ in range(WORKERS)]
    wait_until(lambda: queue_redis.hlen(keys.FREE_WORKERS) == WORKERS, "all are free")
    yield started
    for worker in started:
        worker.stop()


def test_five_free_workers_all_start_when_sixty_four_generations_come(
    settings: Settings, workers: list[FreeWorker]
) -> None:
    fields = {"model": "org/a", "prompt": "The"}
    generations: list[Message[Any]] = [Message(keys.INFERENCE_QUEUE, "generate", (), fields, {}) for _ in range(TASKS)]

    broker = create_broker(settings)
    run(broker.client, broker.sending(generations))

    wait_until(lambda: sum(len(worker.taken) for worker in workers) == TASKS, "all are taken")
    shares = [len(worker.taken) for worker in workers]
    assert all(shares), f"each starts: {shares}"
