"""A worker that computes tells its engine which model waits next."""

import threading

import dramatiq

from actors.broker import create_broker
from actors.context import device_worker
from settings import keys
from settings.config import Settings
from tests.light_worker import working
from tests.waiting import wait_until


def test_a_busy_worker_expects_the_model_that_waits(settings: Settings) -> None:
    broker = create_broker(settings.model_copy(update={"gpu_devices": "cpu", "worker_concurrency": 2}))
    dramatiq.actor(lambda **_: None, broker=broker, queue_name=keys.INFERENCE_QUEUE, actor_name="classify")
    may_end, started = threading.Event(), threading.Event()

    def compute(text: str) -> str:
        started.set()
        may_end.wait()
        return text

    def send(model: str) -> None:
        fields = {"model": model, "texts": ["a text"]}
        broker.enqueue(dramatiq.Message(keys.INFERENCE_QUEUE, "classify", (), fields, {}))

    with working(broker, compute):
        send("org/mine")
        assert started.wait(timeout=10)
        running = device_worker()
        assert running

        send("org/next")

        wait_until(lambda: running.engine.expected, "the engine is told")
        assert set(running.engine.expected) == {"org/next"}
        may_end.set()
    broker.close()
