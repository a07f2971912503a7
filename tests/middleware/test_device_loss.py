"""How a process ends whose device is lost, and what it leaves behind about the device."""

from dataclasses import dataclass

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
        self._broker = create_broker(settings)
        self._worker = Worker(self._broker)
        self._hooks = DeviceLoss(Claimed(), worker_id, self._request_end)  # type: ignore[arg-type]  # a fake claim

    def _request_end(self) -> None:
        self.requests_to_end += 1

    def fail(self, error: ClusterError) -> None:
        task: Message[None] = Message(queue_name="inference", actor_name="embed", args=(), kwargs={}, options={})
        self._hooks.after_process_message(self._broker, task, exception=error)

    def shut_down(self) -> object:
        """The exit code that the hook asks for."""
        try:
            self._hooks.after_worker_shutdown(self._broker, self._worker)
        except SystemExit as end:
            return end.code
        return None


def test_the_first_task_that_meets_the_loss_ends_the_process(settings: Settings) -> None:
    process = Process(settings)

    for _ in range(3):
        process.fail(DeviceLost("gone"))

    assert process.requests_to_end == 1
    assert process.shut_down() == DEVICE_LOST_EXIT_CODE


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
        process.fail(DeviceLost("gone"))
        process.shut_down()

    assert Quarantine(queue_redis, queue_redis).reason(DEVICE)


def test_a_faulty_device_is_quarantined_at_once(settings: Settings, queue_redis: redis.Redis) -> None:
    process = Process(settings)
    process.fail(DeviceFaulty("three in a row"))

    process.shut_down()

    assert queue_redis.get(keys.quarantine(DEVICE)) == b"three in a row"
