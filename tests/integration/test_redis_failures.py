"""Redis goes away at the worst moments; no task and no result is lost."""

from pathlib import Path

import pytest

from actors.broker import create_broker
from actors.client import Client
from actors.demo.models import CLASSIFIER, LANGUAGE_MODEL
from actors.errors import RedisUnreachable
from settings.config import Settings
from tests.servers import RedisServer
from tests.waiting import wait_until
from tests.workers import Workers

#: Half a second of generation: the tiny model ends most other prompts after a few tokens.
LONG = {"model": LANGUAGE_MODEL, "prompt": "A list is", "max_new_tokens": 240, "temperature": 0, "stream": True}


@pytest.fixture
def settings(own_redis: RedisServer, tmp_path: Path) -> Settings:
    """A configuration with a Redis that this test may stop."""
    return Settings(_env_file=None, redis_url=own_redis.url, state_dir=tmp_path / "state")


def test_a_task_that_runs_while_redis_restarts_ends_with_its_result(
    settings: Settings, own_redis: RedisServer, tmp_path: Path, model_folder: Path
) -> None:
    client = Client(settings, create_broker(settings))
    with Workers(settings, tmp_path, "-p", "1", MODEL_MANAGER_PATH=str(model_folder)) as workers:
        workers.wait_until_ready()
        message = client.send("generate", **LONG)
        assert next(client.stream(message))

        own_redis.kill()
        with pytest.raises(RedisUnreachable):
            client.result(message)
        wait_until(lambda: "kept until Redis answers again" in workers.log, "the result waits for Redis")
        own_redis.start()

        assert client.result(message, timeout=30).output["text"]
        assert client.result(client.send("classify", model=CLASSIFIER, texts=["import os"])).output
        workers.stop()


def test_a_waiting_gateway_is_told_that_redis_is_gone(settings: Settings, own_redis: RedisServer) -> None:
    client = Client(settings, create_broker(settings))
    message = client.send("classify", model=CLASSIFIER, texts=["import os"])
    own_redis.stop()

    with pytest.raises(RedisUnreachable):
        client.result(message)


def test_tasks_that_were_sent_before_a_restart_are_run_after_it(
    settings: Settings, own_redis: RedisServer, tmp_path: Path, model_folder: Path
) -> None:
    client = Client(settings, create_broker(settings))
    messages = [client.send("classify", model=CLASSIFIER, texts=[f"import os{number}"]) for number in range(20)]
    own_redis.kill()
    own_redis.start()

    with Workers(settings, tmp_path, "-p", "1", MODEL_MANAGER_PATH=str(model_folder)) as workers:
        workers.wait_until_ready()

        assert all(client.result(message).output for message in messages)
        workers.stop()
