"""A worker process owns one device, keeps models in its memory and computes what can be computed together."""

import asyncio

from actors.client import AsyncClient, Client
from actors.demo.models import CLASSIFIER, EMBEDDING_MODEL
from tests.conftest import Cluster
from tests.waiting import wait_until


def test_a_process_says_which_device_it_has(cluster: Cluster) -> None:
    (record,) = cluster.workers.records()

    assert record.device is not None
    assert record.device.name == "cpu:0"


def test_a_model_is_loaded_once_and_stays(client: Client, cluster: Cluster) -> None:
    for _ in range(2):
        result = client.result(client.send("classify", model=CLASSIFIER, texts=["import os"]))

    assert result.metadata.timings.load_ms < 100
    wait_until(
        lambda: CLASSIFIER in {model.model for model in cluster.workers.records()[0].models}, "the record names it"
    )


async def test_tasks_that_wait_together_are_computed_together(async_client: AsyncClient) -> None:
    async def embed(number: int) -> int:
        message = await async_client.send("embed", model=EMBEDDING_MODEL, texts=[f"text number {number}"])
        return (await async_client.result(message)).metadata.batch_size

    sizes = await asyncio.gather(*(embed(number) for number in range(32)))

    assert max(sizes) > 1


def test_a_failing_task_leaves_its_neighbours_and_the_worker_alone(client: Client) -> None:
    wrong = client.send("embed", model="nobody/nothing", texts=["a text"])
    right = client.send("embed", model=EMBEDDING_MODEL, texts=["a text"])

    assert client.result(right).output
    assert wrong.message_id != right.message_id
