"""How the project's Redis clients behave where redis-py's defaults would not."""

import time
from pathlib import Path

import pytest
import redis

from settings import connections
from settings.config import Settings
from settings.connections import RESULTS, queue_client, result_client
from tests.servers import RedisServer


def test_queues_and_results_lie_in_different_databases(settings: Settings) -> None:
    with queue_client(settings) as queues, result_client(settings) as results:
        results.set("result", "1")

        assert queues.dbsize() == 0
        assert results.dbsize() == 1


def test_results_can_be_kept_on_a_server_of_their_own(settings: Settings, own_redis: RedisServer) -> None:
    elsewhere = settings.model_copy(update={"result_backend_url": own_redis.url})

    with result_client(elsewhere) as results:
        results.set("result", "1")

    with redis.Redis.from_url(own_redis.url) as other:
        assert other.get("result") == b"1"


def test_a_refused_connection_is_told_at_once(tmp_path: Path) -> None:
    nowhere = Settings(_env_file=None, redis_url="redis://127.0.0.1:1/0", state_dir=tmp_path)
    started = time.monotonic()

    with pytest.raises(redis.ConnectionError):
        queue_client(nowhere).ping()

    assert time.monotonic() - started < 1


def test_a_frozen_server_is_noticed_within_the_uses_timeout(own_redis: RedisServer, tmp_path: Path) -> None:
    frozen = Settings(_env_file=None, redis_url=own_redis.url, state_dir=tmp_path)
    client = queue_client(frozen, connections.MONITOR)
    client.ping()
    own_redis.freeze()
    started = time.monotonic()

    with pytest.raises(redis.TimeoutError):
        client.ping()

    assert time.monotonic() - started < connections.MONITOR.socket_timeout + 1
    own_redis.thaw()


def test_a_client_follows_the_private_server_to_another_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer, own_redis: RedisServer
) -> None:
    urls = [redis_server.url]
    monkeypatch.setattr(connections, "find_redis_url", lambda settings: urls[-1])
    client = queue_client(Settings(_env_file=None, state_dir=tmp_path))
    client.set("where", "here")

    urls.append(own_redis.url)

    assert client.get("where") is None
    assert client.connection_pool.connection_kwargs["port"] == own_redis.port


def test_no_use_waits_for_a_blocking_read_less_than_redis_does() -> None:
    assert RESULTS.socket_timeout > connections.RESULTS_BLOCK_SECONDS
