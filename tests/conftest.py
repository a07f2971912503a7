"""What all tests share: one real Redis a session, emptied before each test that uses it, and a clean configuration."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from settings import connections, local_redis
from settings.config import Settings, current_settings, read_settings
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own variables and `.env` do not reach the tests."""
    for name in [*Settings.model_fields, *(name.lower() for name in ("CELERY_RESULT_BACKEND", "MODEL_CACHE_DIR"))]:
        monkeypatch.delenv(name.upper(), raising=False)
    current_settings.cache_clear()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis of this test session, without persistence."""
    folder = tmp_path_factory.mktemp("redis")
    server, port = next(local_redis._servers()), local_redis._free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([server, *options, "--logfile", "server.log"])
    wait_until(lambda: local_redis._answers(port), "Redis answers")
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait()


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of an empty Redis."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A configuration with an empty Redis and a state folder of its own, also in the environment for subprocesses."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    return read_settings(env_file=None)


@pytest.fixture
def queue_redis(settings: Settings) -> Iterator[redis.Redis]:
    """A client of the queue's database."""
    with connections.queue_client(settings) as client:
        yield client


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of this checkout."""
    return Path(__file__).parent.parent


def pytest_configure() -> None:
    # Two cores and several processes: a thread each, and no spinning while waiting for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
