"""A task that is sent or delivered twice has one result."""

import pytest

from actors.client import AsyncClient, Client
from actors.demo.models import CLASSIFIER, LANGUAGE_MODEL
from actors.errors import InvalidRequest
from settings import keys
from settings.connections import queue_client
from tests.conftest import Cluster
from tests.waiting import wait_until

SHORT = {"model": CLASSIFIER, "texts": ["import os"]}
#: Two runs of it would not write the same text.
RANDOM = {"model": LANGUAGE_MODEL, "prompt": "A list is", "max_new_tokens": 20, "temperature": 1.0}


def _is_acknowledged(cluster: Cluster) -> bool:
    with queue_client(cluster.settings) as queues:
        return queues.hlen(keys.bodies(f"{keys.INFERENCE_QUEUE}.normal.{LANGUAGE_MODEL}")) == 0


def test_a_task_that_is_delivered_again_is_acknowledged_and_not_run(client: Client, cluster: Cluster) -> None:
    message = client.send("generate", **RANDOM)
    result = client.result(message)

    client._sender.send(message)

    wait_until(lambda: _is_acknowledged(cluster), "the second delivery is acknowledged")
    assert client.result(message) == result
    cluster.workers.wait_until_logged(f"{message.message_id} has its result already and is not run again")


def test_a_second_send_with_the_same_key_returns_the_first_message(client: Client) -> None:
    first = client.send("generate", idempotency_key="order 66", **RANDOM)
    second = client.send("generate", idempotency_key="order 66", **RANDOM)

    assert second.message_id == first.message_id
    assert client.result(second) == client.result(first)


def test_a_key_is_one_actors_own(client: Client) -> None:
    generated = client.send("generate", idempotency_key="mine", **RANDOM)
    classified = client.send("classify", idempotency_key="mine", **SHORT)

    assert client.result(generated).output["text"]
    assert client.result(classified).output[0]


def test_other_keys_and_none_send_again(client: Client) -> None:
    messages = [client.send("classify", idempotency_key=key, **SHORT) for key in ("a", "b", None, None)]

    assert len({message.message_id for message in messages}) == 4


async def test_an_asyncio_gateway_sends_once_too(async_client: AsyncClient) -> None:
    first = await async_client.send("classify", idempotency_key="again", **SHORT)
    second = await async_client.send("classify", idempotency_key="again", **SHORT)

    assert second.message_id == first.message_id
    assert (await async_client.result(second)).output


@pytest.mark.parametrize("key", ["", "x" * 201, "two\nlines", 5])
def test_a_key_is_a_short_printable_text(client: Client, key: str) -> None:
    with pytest.raises(InvalidRequest, match=r"idempotency_key=.*: 1 to 200 printable characters"):
        client.send("classify", idempotency_key=key, **SHORT)
