"""Inputs that are not in the message, with a real worker."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from actors.broker import create_broker
from actors.client import AsyncClient, Client
from actors.demo.models import CLASSIFIER, LANGUAGE_MODEL
from actors.errors import InputNotFound, InvalidRequest, RequestTooLarge
from actors.inference import classify
from settings import keys
from settings.config import Settings
from settings.connections import queue_client, result_client
from tests.conftest import Cluster
from tests.workers import Workers

#: 5 MB, which a message may not have.
MANY = [f"import os  # {number}" + " " * 2_500 for number in range(2_000)]


@pytest.fixture
def results(cluster: Cluster) -> Iterator[redis.Redis]:
    with result_client(cluster.settings) as stored:
        yield stored


def _send_unchecked(cluster: Cluster, **fields: Any) -> Any:
    return create_broker(cluster.settings).enqueue(classify.message(model=CLASSIFIER, **fields))


def test_five_megabytes_of_texts_are_classified(client: Client) -> None:
    with pytest.raises(RequestTooLarge, match="MAX_PAYLOAD_BYTES"):
        client.send("classify", model=CLASSIFIER, texts=MANY)

    message = client.send("classify", model=CLASSIFIER, texts=client.put(MANY), top_k=1)

    assert len(message.encode()) < 1_000
    assert len(client.result(message, timeout=90).output) == 2_000


async def test_an_asyncio_gateway_puts_too(async_client: AsyncClient) -> None:
    texts = await async_client.put(["import os", "def main(): pass"])

    message = await async_client.send("classify", model=CLASSIFIER, texts=texts)

    assert len((await async_client.result(message)).output) == 2


def test_a_prompt_and_a_pipelines_inputs_may_be_elsewhere(client: Client) -> None:
    greedy = {"model": LANGUAGE_MODEL, "max_new_tokens": 8, "temperature": 0}
    inline = client.send("generate", prompt="A list is", **greedy)
    elsewhere = client.send("generate", prompt=client.put("A list is"), **greedy)
    pipeline = client.send(
        "run_pipeline", task="text-classification", model=CLASSIFIER, inputs=client.put(b"import os")
    )

    assert client.result(elsewhere).output == client.result(inline).output
    assert client.result(pipeline).output[0].keys() == {"label", "score"}


def test_what_a_reference_stands_for_is_validated_as_inline_values_are(client: Client) -> None:
    for texts, complaint in [(["a", 5], r"texts\[1\]=5"), ("a", "texts='a': a list"), (["a"] * 3_000, "3,000 texts")]:
        with pytest.raises(InvalidRequest, match=complaint):
            client.result(client.send("classify", model=CLASSIFIER, texts=client.put(texts)))


def test_a_content_that_expired_is_told_at_send(client: Client, results: redis.Redis) -> None:
    reference = client.put(["import os"])
    results.delete(keys.blob(reference["$blob"]))

    with pytest.raises(InputNotFound, match="has expired"):
        client.send("classify", model=CLASSIFIER, texts=reference)


def test_a_content_that_expired_in_the_queue_is_told_and_is_no_dead_letter(client: Client, cluster: Cluster) -> None:
    with queue_client(cluster.settings) as queues:
        lane = f"inference.normal.{CLASSIFIER}"
        before = queues.zcard(keys.dead(lane))

        with pytest.raises(
            InputNotFound, match="classify: texts: the content 000000000000… is not there or has expired"
        ):
            client.result(_send_unchecked(cluster, texts={"$blob": "0" * 64}))

        assert queues.zcard(keys.dead(lane)) == before


def test_a_resend_needs_its_content_no_more(client: Client, results: redis.Redis) -> None:
    reference = client.put(["import sys"])
    first = client.send("classify", model=CLASSIFIER, texts=reference, idempotency_key="with a content")
    client.result(first)
    results.delete(keys.blob(reference["$blob"]))

    again = client.send("classify", model=CLASSIFIER, texts=reference, idempotency_key="with a content")

    assert again.message_id == first.message_id


@pytest.mark.parametrize(
    "texts",
    [{"$blob": 5}, {"$blob": "0" * 64, "ttl": 5}, {"$file": "../a"}, {"$file": "/etc/passwd"}, {"$file": "a:b"}],
)
def test_a_hostile_reference_is_refused_by_client_and_worker(
    client: Client, cluster: Cluster, texts: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest, match="classify: texts"):
        client.message("classify", model=CLASSIFIER, texts=texts)
    with pytest.raises(InvalidRequest, match="classify: texts"):
        client.result(_send_unchecked(cluster, texts=texts))


def test_a_worker_without_a_folder_refuses_files(client: Client) -> None:
    with pytest.raises(InvalidRequest, match="classify: texts: files are not accepted: INPUT_FOLDER is not set"):
        client.result(client.send("classify", model=CLASSIFIER, texts={"$file": "texts.json"}))


def test_files_of_the_shared_folder_are_inputs(settings: Settings, tmp_path: Path, model_folder: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "sub").mkdir(parents=True)
    (shared / "sub" / "texts.json").write_text(json.dumps(["import os", "import sys"]))
    client = Client(settings, create_broker(settings))

    with Workers(
        settings, tmp_path, "-p", "1", MODEL_MANAGER_PATH=str(model_folder), INPUT_FOLDER=str(shared)
    ) as workers:
        workers.wait_until_ready()
        message = client.send("classify", model=CLASSIFIER, texts={"$file": "sub/texts.json"})
        missing = client.send("classify", model=CLASSIFIER, texts={"$file": "sub/other.json"})

        assert len(client.result(message, timeout=60).output) == 2
        with pytest.raises(InputNotFound, match=r"there is no file 'sub/other\.json' in INPUT_FOLDER"):
            client.result(missing, timeout=60)
        workers.stop()
