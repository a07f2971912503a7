"""Vectors through the queue equal those that sentence-transformers makes of the same files."""

import base64
import os

import numpy
import pytest

from actors.client import AsyncClient, Client
from actors.demo.models import EMBEDDING_MODEL
from tests.integration.reference import sentence_vectors
from tests.workers import TEST_DEVICE

SHORT = "A sentence."
MIXED = [SHORT, "word " * 40, "Another sentence of a middling length, with commas.", "ünïcödé 文字", "word " * 600]
TOLERANCE = 1e-5


def test_a_lone_text_has_the_vector_of_sentence_transformers(client: Client) -> None:
    result = client.result(client.send("embed", model=EMBEDDING_MODEL, texts=[SHORT]))

    assert numpy.abs(numpy.array(result.output) - sentence_vectors([SHORT])).max() < TOLERANCE


def test_texts_of_mixed_lengths_have_the_vectors_of_sentence_transformers(client: Client) -> None:
    result = client.result(client.send("embed", model=EMBEDDING_MODEL, texts=MIXED))

    assert numpy.abs(numpy.array(result.output) - sentence_vectors(MIXED)).max() < TOLERANCE


async def test_tasks_that_share_a_batch_get_their_own_vectors(async_client: AsyncClient) -> None:
    texts = [f"{SHORT} {'more ' * (number % 7)}{number}" for number in range(24)]
    messages = [await async_client.send("embed", model=EMBEDDING_MODEL, texts=[text]) for text in texts]

    results = [await async_client.result(message) for message in messages]

    vectors = numpy.array([result.output[0] for result in results])
    assert numpy.abs(vectors - sentence_vectors(texts)).max() < TOLERANCE
    assert max(result.metadata.batch_size for result in results) > 1


def test_base64_carries_the_same_numbers_in_a_quarter_of_the_size(client: Client) -> None:
    result = client.result(client.send("embed", model=EMBEDDING_MODEL, texts=[SHORT], encoding="base64"))

    (encoded,) = result.output
    vector = numpy.frombuffer(base64.b64decode(encoded), dtype="<f4")
    assert numpy.abs(vector - sentence_vectors([SHORT])[0]).max() < TOLERANCE


def test_a_caller_may_ask_for_vectors_that_are_not_normalised(client: Client) -> None:
    normal = client.result(client.send("embed", model=EMBEDDING_MODEL, texts=[SHORT])).output[0]
    raw = client.result(client.send("embed", model=EMBEDDING_MODEL, texts=[SHORT], normalize=False)).output[0]

    assert numpy.linalg.norm(normal) == pytest.approx(1, abs=1e-5)
    assert numpy.linalg.norm(raw) != pytest.approx(1, abs=0.1)
    assert numpy.array(raw) / numpy.linalg.norm(raw) == pytest.approx(numpy.array(normal), abs=TOLERANCE)


def test_the_result_tells_how_it_came_to_be(client: Client) -> None:
    metadata = client.result(client.send("embed", model=EMBEDDING_MODEL, texts=[SHORT, "word " * 600])).metadata

    assert metadata.model == EMBEDDING_MODEL
    assert metadata.revision.startswith("local-")
    assert (metadata.device, metadata.backend) == (TEST_DEVICE, TEST_DEVICE.partition(":")[0])
    assert metadata.dtype == "float32"
    assert metadata.truncated == 1
    assert metadata.input_tokens > 256
    assert metadata.versions["torch"].startswith("2.")
    assert metadata.timings.compute_ms > 0
    assert str(os.getpid()) not in metadata.worker_id
