"""A caller changes its mind: a waiting task is dropped, a running one stops, and its neighbours go on."""

import pytest
import redis

from actors.client import AsyncClient, Client
from actors.demo.models import CLASSIFIER, LANGUAGE_MODEL
from actors.errors import TaskCancelled
from settings import keys
from settings.connections import queue_client, result_client
from tests.conftest import Cluster

#: Half a second of generation.
LONG = {"model": LANGUAGE_MODEL, "prompt": "A list is", "max_new_tokens": 240, "temperature": 0}
SHORT = {"model": CLASSIFIER, "texts": ["import os"]}


def _dead_letters(cluster: Cluster) -> int:
    with queue_client(cluster.settings) as queues:
        return int(queues.zcard(keys.dead(keys.INFERENCE_QUEUE)))


def test_a_running_generation_stops(client: Client, cluster: Cluster) -> None:
    dead = _dead_letters(cluster)
    message = client.send("generate", stream=True, **LONG)
    pieces = client.stream(message)
    next(pieces)

    client.cancel(message)

    with pytest.raises(TaskCancelled, match="generate was cancelled"):
        list(pieces)
    assert _dead_letters(cluster) == dead


def test_a_task_that_waits_for_the_device_is_answered_at_once(client: Client) -> None:
    blocker = client.send("generate", stream=True, **LONG)
    next(client.stream(blocker))
    waiting = client.send("generate", seed=1, **LONG)

    client.cancel(waiting)

    with pytest.raises(TaskCancelled):
        client.result(waiting)
    assert client.result(blocker).metadata.output_tokens == 240


def test_a_task_that_was_cancelled_before_a_worker_takes_it_is_not_begun(client: Client, cluster: Cluster) -> None:
    dead = _dead_letters(cluster)
    message = client.message("generate", **LONG)

    client.cancel(message)
    client._sender.send(message)

    with pytest.raises(TaskCancelled, match="generate was not begun: it was cancelled"):
        client.result(message)
    assert _dead_letters(cluster) == dead


def test_a_task_that_has_ended_keeps_its_result(client: Client) -> None:
    message = client.send("classify", **SHORT)
    result = client.result(message)

    client.cancel(message)

    assert client.result(message) == result


async def test_an_asyncio_gateway_cancels_too(async_client: AsyncClient) -> None:
    message = await async_client.send("generate", stream=True, **LONG)
    pieces = async_client.stream(message)
    await anext(pieces)

    await async_client.cancel(message)

    with pytest.raises(TaskCancelled):
        await async_client.result(message)


def test_a_cancellation_is_forgotten_with_the_results(client: Client, cluster: Cluster) -> None:
    message = client.message("classify", **SHORT)

    client.cancel(message)

    with result_client(cluster.settings) as results:
        left: int = redis.Redis.ttl(results, keys.cancelled(message.message_id))
    assert 0 < left <= cluster.settings.result_ttl
