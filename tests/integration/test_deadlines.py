"""A caller's timeout: late work is not begun, running work is stopped, and the caller is told."""

import dramatiq
import pytest
import redis

from actors.broker import create_broker
from actors.client import AsyncClient, Client
from actors.demo.models import CLASSIFIER, LANGUAGE_MODEL
from actors.errors import DeadlineExceeded, InvalidRequest
from settings import keys
from settings.connections import queue_client
from tests.conftest import Cluster

#: Half a second; its seed keeps it alone on the device.
LONG = {"model": LANGUAGE_MODEL, "prompt": "A list is", "max_new_tokens": 240, "temperature": 0, "seed": 1}
SHORT = {"model": CLASSIFIER, "texts": ["import os"]}


@pytest.fixture
def queues(cluster: Cluster) -> redis.Redis:
    """The queue's database of the session's worker."""
    return queue_client(cluster.settings)


def _dead(queues: redis.Redis) -> int:
    return int(queues.zcard(keys.dead(keys.INFERENCE_QUEUE)))


def test_a_task_within_its_timeout_is_as_any_other(client: Client) -> None:
    assert client.result(client.send("classify", timeout=60, **SHORT)).output


def test_a_task_whose_deadline_passed_in_the_queue_is_not_begun(client: Client, queues: redis.Redis) -> None:
    dead = _dead(queues)

    message = client.send("generate", timeout=0.000_001, **LONG)

    with pytest.raises(DeadlineExceeded, match="generate was not begun: its deadline had passed"):
        client.result(message)
    assert _dead(queues) == dead


def test_a_running_task_is_stopped_at_its_deadline(client: Client, queues: redis.Redis) -> None:
    dead = _dead(queues)
    client.result(client.send("generate", **{**LONG, "max_new_tokens": 1}))

    # Long enough to begin, and too short for a text of this length.
    message = client.send("generate", timeout=0.2, **LONG)

    with pytest.raises(DeadlineExceeded, match="generate was stopped at its deadline"):
        client.result(message)
    assert _dead(queues) == dead


def test_a_task_that_waits_for_the_device_ends_at_its_deadline(client: Client) -> None:
    client.result(client.send("classify", **SHORT))  # a busy worker takes tasks of models that it has loaded only
    blocker = client.send("generate", stream=True, **LONG)
    next(client.stream(blocker))

    late = client.send("classify", timeout=0.2, **SHORT)

    with pytest.raises(DeadlineExceeded, match="classify was stopped at its deadline"):
        client.result(late)
    assert client.result(blocker).metadata.output_tokens == 240


async def test_an_asyncio_gateway_sets_deadlines_too(async_client: AsyncClient) -> None:
    message = await async_client.send("generate", timeout=0.000_001, **LONG)

    with pytest.raises(DeadlineExceeded):
        await async_client.result(message)


def test_a_deadline_that_is_no_time_is_answered_by_the_worker(client: Client, cluster: Cluster) -> None:
    message = dramatiq.Message(keys.INFERENCE_QUEUE, "classify", (), SHORT, {"deadline": "soon"})

    create_broker(cluster.settings).enqueue(message)

    with pytest.raises(InvalidRequest, match="the option deadline='soon' must be in milliseconds"):
        client.result(message)
