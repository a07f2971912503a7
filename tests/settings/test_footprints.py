"""What a model took on one device is known to identical ones."""

import redis

from settings import keys
from settings.footprints import LAST_FOOTPRINT, field, note_footprints, read_footprint


def test_a_measurement_is_found_by_the_same_revision_precision_and_device(queue_redis: redis.Redis) -> None:
    measured = field("r1", "AutoModel", "float16", "cuda RTX 24")
    with queue_redis.pipeline() as pipe:
        note_footprints(pipe, "org/a", {measured: 5_000})
        pipe.execute()

    assert read_footprint(queue_redis, "org/a", measured) == 5_000
    assert read_footprint(queue_redis, "org/a", LAST_FOOTPRINT) == 5_000
    assert read_footprint(queue_redis, "org/a", field("r1", "AutoModel", "float32", "cuda RTX 24")) is None
    assert queue_redis.ttl(keys.footprint("org/a")) > 0


def test_without_redis_nothing_is_known() -> None:
    absent = redis.Redis(port=1, socket_connect_timeout=0.2)

    assert read_footprint(absent, "org/a", LAST_FOOTPRINT) is None
