"""A task fails for a passing reason while Redis is away: its next attempt is not lost."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import Worker

from actors.broker import create_broker
from actors.errors import StoreUnreachable
from actors.queueing import patience
from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from tests.servers import RedisServer
from tests.waiting import wait_until


class Task:
    """A task of this process whose first attempt fails when the test says so."""

    def __init__(self, settings: Settings) -> None:
        self.may_fail = threading.Event()
        self.attempts = 0
        self.broker = create_broker(settings)
        actor: Any = dramatiq.actor(actor_name="task", broker=self.broker, queue_name=keys.CONTROL_QUEUE)
        self.send = actor(self._run).send
        self.worker = Worker(self.broker, queues={keys.CONTROL_QUEUE}, worker_threads=1, worker_timeout=100)

    def _run(self) -> None:
        self.attempts += 1
        if self.attempts == 1:
            assert self.may_fail.wait(timeout=60)
            raise StoreUnreachable("the share is away")

    def is_settled(self, queues: redis.Redis) -> bool:
        """Whether the task has been done and nothing of it is left in Redis."""
        lists = (keys.bodies(keys.CONTROL_QUEUE), keys.delayed_bodies(keys.CONTROL_QUEUE))
        return self.attempts > 1 and not any(queues.hlen(name) for name in lists)


@pytest.fixture
def settings(own_redis: RedisServer, tmp_path: Path) -> Settings:
    """A configuration with a Redis that this test may stop."""
    return Settings(_env_file=None, redis_url=own_redis.url, state_dir=tmp_path / "state")


@pytest.fixture
def task(settings: Settings) -> Iterator[Task]:
    task = Task(settings)
    task.worker.start()
    yield task
    task.may_fail.set()
    task.worker.stop()


def test_the_next_attempt_is_kept_until_redis_answers(
    task: Task, settings: Settings, own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    message = task.send()
    wait_until(lambda: task.attempts == 1, "the task runs")

    own_redis.kill()
    task.may_fail.set()
    wait_until(lambda: f"The next attempt of {message.message_id} is kept until" in caplog.text, "Redis is missed")
    own_redis.start()

    with queue_client(settings) as queues:
        wait_until(lambda: task.is_settled(queues), "the second attempt went well")
    assert task.attempts == 2


def test_a_task_whose_next_attempt_could_not_be_kept_is_not_acknowledged(
    task: Task,
    settings: Settings,
    own_redis: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    task.send()
    wait_until(lambda: task.attempts == 1, "the task runs")

    own_redis.kill()
    task.may_fail.set()
    wait_until(lambda: "has been away for too long" in caplog.text, "the attempt is given up")
    own_redis.start()

    with queue_client(settings) as queues:
        wait_until(lambda: task.is_settled(queues), "it was delivered again and went well")
    assert task.attempts == 2
