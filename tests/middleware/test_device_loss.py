"""How a process ends whose device is lost, and what it leaves behind about the device."""

from dataclasses import dataclass

import pytest
import redis
from dramatiq import Message, Worker

from actors.broker import create_broker
from actors.errors import ClusterError, DeviceFaulty, DeviceLost, InferenceFailed
from actors.middleware.device_loss import DEVICE_LOST_EXIT_CODE, DeviceLoss
from actors.queueing.quarantine import Quarantine
from settings import keys
from settings.config import Settings

DEVICE = "gpu-1/cuda:0"


@dataclass
class Claimed:
    """A claim that was made."""

    full_name: str = DEVICE


class Process:
    """A worker process as far as the hooks see it."""

    def __init__(self, settings: Settings, worker_id: str = "gpu-1-7") -> None:
        self.requests_to_end = 0
        self.broker = create_broker(settings)
        self._worker = Worker(self.broker)
        self._hooks = DeviceLoss(Claimed(), worker_id, self._request_end)  # type: ignore[arg-type]  # a fake claim

    def _request_end(self) -> None:
        self.requests_to_end += 1

    def lose_device(self, error: DeviceLost, tasks: int = 1) -> None:
        """The engine tells of it first; then its tasks end."""
        self._hooks.note(self.broker, error)
        for _ in range(tasks):
            self.fail(error)

    def fail(self, error: ClusterError) -> None:
        task: Message[None] = Message(queue_name="inference", actor_name="embed", args=(), kwargs={}, options={})
        self._hooks.after_process_message(self.broker, task, exception=error)

    def shut_down(self) -> object:
        """The exit code that the hook asks for."""
        try:
            self._hooks.before_worker_shutdown(self.broker, self._worker)
            self._hooks.after_worker_shutdown(self.broker, self._worker)
        except SystemExit as end:
            return end.code
        return None


@pytest.mark.parametrize("tasks", [0, 1, 3])
def test_a_loss_ends_the_process_whether_tasks_met_it_or_not(settings: Settings, tasks: int) -> None:
    process = Process(settings)

    process.lose_device(DeviceLost("gone"), tasks)

    assert process.requests_to_end == 1
    assert process.broker.restraint.takes_none
    assert process.shut_down() == DEVICE_LOST_EXIT_CODE


def test_a_process_that_ends_already_is_not_asked_once_more(settings: Settings) -> None:
    process = Process(settings)
    process.shut_down()

    process.lose_device(DeviceLost("gone"))

    assert process.requests_to_end == 0


def test_other_failures_do_not(settings: Settings, queue_redis: redis.Redis) -> None:
    process = Process(settings)

    process.fail(InferenceFailed("no"))

    assert process.requests_to_end == 0
    assert process.shut_down() is None
    assert not queue_redis.keys("cm:*")


def test_a_device_that_is_lost_with_one_task_after_another_is_quarantined(
    settings: Settings, queue_redis: redis.Redis
) -> None:
    for number in range(3):
        assert Quarantine(queue_redis, queue_redis).reason(DEVICE) is None
        process = Process(settings, f"gpu-1-{number}")
        process.lose_device(DeviceLost("gone"))
        process.shut_down()

    assert Quarantine(queue_redis, queue_redis).reason(DEVICE)


def test_a_faulty_device_is_quarantined_at_once(settings: Settings, queue_redis: redis.Redis) -> None:
    process = Process(settings)
    process.lose_device(DeviceFaulty("three in a row"))

    process.shut_down()

    assert queue_redis.get(keys.quarantine(DEVICE)) == b"three in a row"
