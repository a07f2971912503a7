"""A gateway sends a task to an actor by name and waits for its result."""

import pytest

from actors.client import AsyncClient, Client
from actors.demo.models import CLASSIFIER, EMBEDDING_MODEL, LANGUAGE_MODEL
from actors.errors import InvalidRequest, ModelNotFound, PermanentError

SNIPPET = "import sys\n\n\ndef main():\n    print(sys.argv)\n"


def test_a_task_is_sent_with_keywords_and_its_result_is_waited_for(client: Client) -> None:
    message = client.send("embed", model=EMBEDDING_MODEL, texts=["one text", "another text"])

    result = client.result(message, timeout=60)

    assert len(result.output) == 2
    assert len(result.output[0]) == 384


def test_a_result_says_where_and_how_it_was_made(client: Client) -> None:
    metadata = client.result(client.send("classify", model=CLASSIFIER, texts=[SNIPPET])).metadata

    assert metadata.model == CLASSIFIER
    assert metadata.device == "cpu:0"
    assert metadata.timings.compute_ms > 0


def test_a_text_is_classified(client: Client) -> None:
    result = client.result(client.send("classify", model=CLASSIFIER, texts=[SNIPPET], top_k=1))

    ((best,),) = result.output
    assert best["label"] == "python code"


def test_a_text_is_generated_and_can_be_read_as_it_comes(client: Client) -> None:
    message = client.send("generate", model=LANGUAGE_MODEL, prompt="The for statement", max_new_tokens=20, stream=True)

    text = "".join(client.stream(message))

    assert text == client.result(message).output["text"]


async def test_an_asyncio_gateway_has_the_same_methods(async_client: AsyncClient) -> None:
    message = await async_client.send("embed", model=EMBEDDING_MODEL, texts=["one text"])

    assert (await async_client.result(message)).output


def test_a_mistake_is_told_before_anything_is_sent(client: Client) -> None:
    with pytest.raises(InvalidRequest, match="temprature=1: there is no such field"):
        client.send("generate", model=LANGUAGE_MODEL, prompt="a", temprature=1)


def test_what_only_a_worker_can_know_comes_back_as_a_typed_error(client: Client) -> None:
    message = client.send("embed", model="nobody/nothing", texts=["a text"])

    with pytest.raises(ModelNotFound) as failure:
        client.result(message)
    assert isinstance(failure.value, PermanentError)
