"""What all tests share: a real Redis emptied before each test, a real worker with real models, clean settings."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from settings import connections
from settings.config import Settings, current_settings, read_settings
from tests.privateuse1.build import SITE, build, why_not
from tests.servers import RedisServer
from tests.workers import Workers

#: One more than the two cores of CI: much of the suite waits. Each has a Redis and worker processes of its own.
PROCESSES = 3


def pytest_configure() -> None:
    # Two cores and several processes: a thread each, and no spinning while waiting for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The whole suite is shared out by file; what the command line names runs in one process."""
    return PROCESSES if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own variables and `.env` do not reach the tests."""
    for name in [*Settings.model_fields, "celery_result_backend", "model_cache_dir", "torch_dtype"]:
        monkeypatch.delenv(name.upper(), raising=False)
    current_settings.cache_clear()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of this checkout."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis of this test session, without persistence."""
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of an empty Redis."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A persistent Redis that this test may kill, freeze and start again."""
    server = RedisServer(tmp_path / "own-redis", is_persistent=True).start()
    yield server
    server.stop()


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


@pytest.fixture
def result_redis(settings: Settings) -> Iterator[redis.Redis]:
    """A client of the results' database."""
    with connections.result_client(settings) as client:
        yield client


@pytest.fixture
def forbids_keys(redis_url: str) -> Iterator[None]:
    """Fails a test in which anybody asks Redis for the names of all keys, which holds up everybody else."""
    with redis.Redis.from_url(redis_url) as client:
        client.config_resetstat()
        yield
        assert "cmdstat_keys" not in client.info("commandstats")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's models, laid out as the model-manager shares them; not to be changed."""
    from actors.demo.models import build_model_folder

    return build_model_folder(tmp_path_factory.mktemp("models"))


@pytest.fixture
def own_models(model_folder: Path, tmp_path: Path) -> Path:
    """A copy of the two small models that a test may break."""
    return Path(shutil.copytree(model_folder / "cluster-manager", tmp_path / "models" / "cluster-manager")).parent


@dataclass(frozen=True)
class Cluster:
    """A worker on the CPU with its own Redis, shared by the tests that only send it tasks."""

    settings: Settings
    workers: Workers


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Iterator[Cluster]:
    """One real worker process for the whole session."""
    folder = tmp_path_factory.mktemp("cluster")
    server = RedisServer(folder / "redis").start()
    settings = Settings(_env_file=None, redis_url=server.url, state_dir=folder / "state")
    with Workers(settings, folder, "-p", "1", MODEL_MANAGER_PATH=str(model_folder)) as workers:
        workers.wait_until_ready()
        yield Cluster(settings, workers)
        workers.stop()
    server.stop()


@pytest.fixture
def client(cluster: Cluster) -> "Client":  # noqa: F821
    """A gateway's client of the session's worker."""
    from actors.broker import create_broker
    from actors.client import Client

    return Client(cluster.settings, create_broker(cluster.settings))


@pytest.fixture
async def async_client(cluster: Cluster) -> AsyncIterator["AsyncClient"]:  # noqa: F821
    """An asyncio gateway's client of the session's worker."""
    from actors.broker import create_broker
    from actors.client import AsyncClient

    async with AsyncClient(cluster.settings, create_broker(cluster.settings)) as client:
        yield client


@pytest.fixture(scope="session")
def directml_site() -> Path:
    """The folder to put on a process's path so that it can `import torch_directml`."""
    if reason := why_not():
        pytest.skip(reason)
    build()
    return SITE
