"""What one worker has measured of a model holds for another with such a device."""

from pathlib import Path

import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from actors.demo.models import CLASSIFIER
from actors.errors import ModelTooLarge
from settings import keys
from settings.config import Settings
from settings.footprints import LAST_FOOTPRINT
from tests.waiting import wait_until
from tests.workers import Workers

TASK = {"model": CLASSIFIER, "texts": ["a text"]}


def test_a_model_that_was_too_large_for_one_is_refused_by_the_next_before_it_is_read(
    settings: Settings, model_folder: Path, tmp_path: Path, queue_redis: redis.Redis
) -> None:
    client, measured = Client(settings, create_broker(settings)), keys.footprint(CLASSIFIER)
    where = {"MODEL_MANAGER_PATH": str(model_folder), "GPU_DEVICES": "cpu:0"}
    with Workers(settings, tmp_path, "-p", "1", **where) as first:
        first.wait_until_ready()
        client.result(client.send("classify", **TASK), timeout=60)
        wait_until(lambda: queue_redis.hlen(measured) > 1, "what the model took is told")
        first.stop()
    for field in queue_redis.hkeys(measured):
        if field != LAST_FOOTPRINT.encode():
            queue_redis.hset(measured, field, 10**15)

    with Workers(settings, tmp_path, "-p", "1", **where) as second:
        (record,) = second.wait_until_ready()
        with pytest.raises(ModelTooLarge, match="needs 1,000,000,000,000,000 bytes"):
            client.result(client.send("classify", **TASK), timeout=60)
        assert record.models == ()
