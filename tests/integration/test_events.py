"""The stream of what happens to a real worker and its models."""

from pathlib import Path

import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from actors.demo.models import CLASSIFIER, LANGUAGE_MODEL
from actors.errors import ModelBroken
from settings import keys
from settings.config import Settings
from settings.events import EVENTS_TTL_SECONDS, MOST_EVENTS, note_events, read_events
from settings.records import LifecycleEvent
from tests.waiting import wait_until
from tests.workers import Workers


def test_a_workers_life_is_told_from_its_start_to_its_end(
    settings: Settings, own_models: Path, tmp_path: Path, queue_redis: redis.Redis
) -> None:
    (own_models / LANGUAGE_MODEL / "model.safetensors").write_bytes(b"")
    client = Client(settings, create_broker(settings))

    def happened() -> list[str]:
        return [stored.event.event for stored in client.workers.events()]

    with Workers(settings, tmp_path, "-p", "1", MODEL_MANAGER_PATH=str(own_models)) as workers:
        (worker,) = workers.wait_until_ready()
        commanded = client.workers[worker.worker_id]
        commanded.load(CLASSIFIER)
        wait_until(lambda: "loaded" in happened(), "the load is told")
        commanded.unload(CLASSIFIER)
        wait_until(lambda: "unloaded" in happened(), "the unload is told")
        with pytest.raises(ModelBroken):
            client.result(client.send("generate", model=LANGUAGE_MODEL, prompt="a secret"))
        wait_until(lambda: "load failed" in happened(), "the failure is told")
        commanded.drain()
        wait_until(lambda: "draining" in happened(), "draining is told")
        commanded.resume()
        wait_until(lambda: "resumed" in happened(), "resuming is told")
        workers.stop()

    events = client.workers.events()
    assert [event for event in happened() if event != "loading"] == [
        *("started", "loaded", "unloaded", "load failed", "draining", "resumed"),
        *(["draining"] if happened()[-2] == "draining" else []),  # a beat may fall into the shutdown
        "ended",
    ]
    assert {stored.event.worker_id for stored in events} == {worker.worker_id}
    (failed,) = (stored.event for stored in events if stored.event.event == "load failed")
    assert (failed.model, failed.error) == (LANGUAGE_MODEL, "ModelBroken")
    assert "a secret" not in str(queue_redis.xrange(keys.EVENTS))
    assert client.workers.events(since=events[-2].id) == events[-1:]


def test_the_stream_is_bounded_and_expires(queue_redis: redis.Redis) -> None:
    pipe = queue_redis.pipeline()
    note_events(pipe, [LifecycleEvent(worker_id="w", event="loading", model=f"m{n}") for n in range(2 * MOST_EVENTS)])
    pipe.execute()

    assert MOST_EVENTS <= queue_redis.xlen(keys.EVENTS) < 1.2 * MOST_EVENTS
    assert 0 < queue_redis.ttl(keys.EVENTS) <= EVENTS_TTL_SECONDS


def test_what_cannot_be_read_is_left_out(queue_redis: redis.Redis) -> None:
    queue_redis.xadd(keys.EVENTS, {"another": "field"})
    queue_redis.xadd(keys.EVENTS, {"event": '{"version": 99, "worker_id": "w", "event": "loaded"}'})
    queue_redis.xadd(keys.EVENTS, {"event": '{"worker_id": "w", "event": "sung", "tune": "new"}'})

    assert [stored.event.event for stored in read_events(queue_redis)] == ["sung"]
