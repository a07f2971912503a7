"""A cluster that tests write and the monitor reads."""

import time
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


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times of day as in the golden screens."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system's clock has a zone of its own")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
