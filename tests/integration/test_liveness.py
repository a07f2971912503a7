"""What workers say about themselves, and when it goes away."""

import json
from pathlib import Path

import redis

from settings import keys
from settings.config import Settings
from settings.records import ClusterHealth
from tests.conftest import Cluster
from tests.waiting import wait_until
from tests.workers import TEST_DEVICE, Workers


def test_a_worker_tells_its_device_its_models_and_its_tasks(cluster: Cluster, client: "Client") -> None:  # noqa: F821
    from actors.demo.models import CLASSIFIER

    client.result(client.send("classify", model=CLASSIFIER, texts=["import os"]))
    wait_until(
        lambda: CLASSIFIER in {model.model for model in cluster.workers.records()[0].models},
        "the model is in the record",
    )

    (record,) = cluster.workers.records()
    assert record.device is not None
    assert record.device.name == TEST_DEVICE
    assert record.device.memory_source
    assert record.done > 0
    assert set(record.queues) == {keys.INFERENCE_QUEUE, keys.CONTROL_QUEUE}
    assert record.software["torch"].startswith("2.")


def test_the_record_is_gone_when_the_process_ends(settings: Settings, queue_redis: redis.Redis, tmp_path: Path) -> None:
    with Workers(settings, tmp_path, "-p", "1") as workers:
        workers.wait_until_ready()
        assert queue_redis.zcard(keys.WORKERS) == 1

        workers.stop()

    assert queue_redis.zcard(keys.WORKERS) == 0
    assert queue_redis.keys(keys.worker("*")) == []


def test_the_record_of_a_killed_process_expires(settings: Settings, queue_redis: redis.Redis, tmp_path: Path) -> None:
    with Workers(settings, tmp_path, "-p", "1") as workers:
        (record,) = workers.wait_until_ready()

        workers.kill()

    assert 0 < queue_redis.ttl(keys.worker(record.worker_id)) <= 30


def test_a_worker_for_control_jobs_claims_no_device(settings: Settings, tmp_path: Path) -> None:
    with Workers(settings, tmp_path, "-p", "1", "-Q", "control") as workers:
        (record,) = workers.wait_until_ready(devices=0)

    assert record.state == "control"
    assert record.device is None
    assert not list(settings.state_dir.glob("devices/*.lock"))


def test_the_health_job_summarises_the_cluster_once_a_minute(cluster: Cluster) -> None:
    from actors import publish_cluster_health
    from actors.broker import create_broker
    from settings.connections import queue_client

    broker = create_broker(cluster.settings)
    with queue_client(cluster.settings) as client:
        for _ in range(5):
            broker.enqueue(publish_cluster_health.message())
        wait_until(lambda: client.hlen(keys.bodies(keys.CONTROL_QUEUE)) == 0, "the jobs are done")

        health = ClusterHealth.from_json(client.get(keys.HEALTH))
        assert client.zcard(keys.HEALTH_HISTORY) in (1, 2)  # two when the minute changed between the jobs
    assert (health.workers, health.devices) == (1, 1)
    assert {counts.queue for counts in health.queues} == {keys.INFERENCE_QUEUE, keys.CONTROL_QUEUE}
    assert json.loads(health.to_json())["version"] == 1
