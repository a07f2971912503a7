"""What a real worker tells about how fast it is."""

from pathlib import Path

import redis

from actors.client import Client
from actors.demo.models import CLASSIFIER
from settings import keys
from settings.capacity import LEAST_TASKS, CapacityReader
from settings.config import Settings
from settings.connections import queue_client
from tests.conftest import Cluster
from tests.waiting import wait_until
from tests.workers import Workers

SHORT = {"model": CLASSIFIER, "texts": ["import os"]}


def test_a_worker_publishes_its_service_time_and_that_it_takes_tasks(client: Client, cluster: Cluster) -> None:
    with queue_client(cluster.settings) as queues:
        for message in [client.send("classify", **SHORT) for _ in range(2 * LEAST_TASKS)]:
            client.result(message)
        reader = CapacityReader(queues)

        wait_until(lambda: reader.read(CLASSIFIER).seconds_per_task is not None, "a beat has published the figure")

        capacity = reader.read(CLASSIFIER)
        assert capacity.workers == 1
        assert 0 < (capacity.seconds_per_task or 0) < 5
        assert queues.ttl(keys.service(CLASSIFIER)) > 0


def test_a_worker_that_ended_or_serves_no_device_takes_no_tasks(
    settings: Settings, queue_redis: redis.Redis, tmp_path: Path
) -> None:
    with Workers(settings, tmp_path, "-p", "2") as workers:  # one device: the other process stands by
        workers.wait_until_ready(processes=2)
        assert queue_redis.zcard(keys.WORKERS) == 2
        wait_until(lambda: queue_redis.zcard(keys.DEVICES) == 1, "the process with the device takes tasks")

        workers.stop()

    assert queue_redis.zcard(keys.DEVICES) == 0
