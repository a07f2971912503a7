"""A worker that has nothing to do begins a task when it is sent, and not at its next look."""

import statistics
import time

import dramatiq
import pytest

from actors.broker import create_broker
from actors.client import Client
from actors.context import device_worker
from actors.queueing import consumer
from actors.queueing.consumer import WakingConsumer
from settings import keys
from settings.config import Settings
from tests.light_worker import working
from tests.waiting import wait_until

#: Many times what a ring takes, and a small part of the time between two looks.
AT_ONCE_SECONDS = 0.05


def is_idle(waiting: WakingConsumer | None) -> bool:
    """Whether a worker has nothing in hand, has seen that nothing waits, and looks again much later."""
    worker = device_worker()
    if waiting is None or worker is None or len(worker.tasks) or waiting._arrival.is_set():
        return False
    return waiting._next_look_at - time.monotonic() > 4 * AT_ONCE_SECONDS


def test_an_idle_worker_begins_what_is_sent_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "compute_backoff", lambda misses, jitter, max_backoff: (misses + 1, max_backoff))
    settings = settings.model_copy(update={"gpu_devices": "cpu"})
    broker = create_broker(settings)
    client, sent, begun = Client(settings, broker), dict[str, float](), dict[str, float]()
    dramatiq.actor(lambda **_: None, actor_name="classify", broker=broker, queue_name=keys.INFERENCE_QUEUE)

    def compute(text: str) -> str:
        begun[text] = time.monotonic()
        return text

    with working(broker, compute) as worker:
        thread = worker.consumers[keys.INFERENCE_QUEUE]
        for text in map(str, range(20)):
            wait_until(lambda: is_idle(thread.consumer), "nothing is left to do")
            sent[text] = time.monotonic()
            client.result(client.send("classify", model="org/a", texts=[text]), timeout=20)

    assert statistics.median(begun[text] - sent[text] for text in sent) < AT_ONCE_SECONDS
