"""A cluster that tests write and the monitor reads."""

from collections.abc import Iterator

import pytest
import redis

from monitor.core.source import RedisSource
from settings.config import Settings
from tests.monitor.cluster import Cluster


@pytest.fixture
def cluster(queue_redis: redis.Redis) -> Cluster:
    """The workers' side of the test's Redis."""
    return Cluster(queue_redis)


@pytest.fixture
def source(settings: Settings) -> Iterator[RedisSource]:
    """The monitor's side of it."""
    source = RedisSource(settings)
    yield source
    source.close()
