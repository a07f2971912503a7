"""The text of a generation as it comes."""

import pytest
import redis

from actors.client import AsyncClient, Client
from actors.demo.models import LANGUAGE_MODEL
from actors.errors import InvalidRequest, StreamInterrupted
from settings import keys
from settings.connections import result_client
from tests.conftest import Cluster

REQUEST = {
    "model": LANGUAGE_MODEL,
    "prompt": "The for statement",
    "max_new_tokens": 30,
    "temperature": 0,
    "stream": True,
}


def test_the_pieces_add_up_to_the_result(client: Client) -> None:
    message = client.send("generate", **REQUEST)

    pieces = list(client.stream(message))

    assert len(pieces) > 5
    assert "".join(pieces) == client.result(message).output["text"]


async def test_an_asyncio_gateway_reads_the_same_pieces(async_client: AsyncClient) -> None:
    message = await async_client.send("generate", **REQUEST)

    pieces = [piece async for piece in async_client.stream(message)]

    assert "".join(pieces) == (await async_client.result(message)).output["text"]


def test_a_stream_can_be_read_again_from_its_beginning(client: Client) -> None:
    message = client.send("generate", **REQUEST)

    assert list(client.stream(message)) == list(client.stream(message))


def test_nothing_of_a_stop_string_is_streamed(client: Client) -> None:
    whole = client.result(client.send("generate", **REQUEST)).output["text"]
    message = client.send("generate", **{**REQUEST, "stop": [whole[12:16]]})

    assert "".join(client.stream(message)) == whole[: whole.index(whole[12:16])]


def test_a_task_that_fails_ends_its_stream_with_its_error(client: Client) -> None:
    message = client.send("generate", **{**REQUEST, "max_new_tokens": 50_000})

    with pytest.raises(InvalidRequest, match="context"):
        list(client.stream(message))


def test_a_stream_of_a_task_without_streaming_just_ends(client: Client) -> None:
    message = client.send("generate", **{**REQUEST, "stream": False})

    assert list(client.stream(message)) == []


def test_a_stream_that_starts_anew_is_told_to_its_reader(client: Client, cluster: Cluster) -> None:
    message = client.message("generate", **REQUEST)
    with result_client(cluster.settings) as results:
        for field, value in (("start", "0"), ("text", "The"), ("start", "1")):
            results.xadd(keys.stream(message.message_id), {field: value})

    with pytest.raises(StreamInterrupted):
        list(client.stream(message))


def test_a_stream_expires(client: Client, cluster: Cluster) -> None:
    message = client.send("generate", **REQUEST)
    client.result(message)

    with result_client(cluster.settings) as results:
        left: int = redis.Redis.ttl(results, keys.stream(message.message_id))
    assert 0 < left <= cluster.settings.result_ttl
