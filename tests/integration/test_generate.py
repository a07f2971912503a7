"""Text through the queue equals what transformers' own `generate` writes, alone and in a batch."""

import asyncio

import pytest

from actors.client import AsyncClient, Client
from actors.demo.models import LANGUAGE_MODEL
from actors.errors import InvalidRequest
from tests.integration.reference import greedy_text

PROMPTS = (
    "The for statement",
    "If the exception is raised in the body of a function, then",
    "A class definition",
    "x",
    "The value of the expression is evaluated in the order in which the operands are written, and",
)
#: The tiny model ends most other prompts after a few tokens.
LONG_PROMPT = "A list is"
GREEDY = {"model": LANGUAGE_MODEL, "temperature": 0, "repetition_penalty": 1.0}


async def _keep_the_device_busy(client: AsyncClient) -> object:
    """Sends a task and returns while it is being generated, so that what is sent next waits together."""
    message = await client.send("generate", prompt=LONG_PROMPT, max_new_tokens=240, stream=True, **GREEDY)
    async for _ in client.stream(message):
        break
    return message


def test_greedy_text_equals_that_of_transformers(client: Client) -> None:
    result = client.result(client.send("generate", prompt=PROMPTS[0], max_new_tokens=40, **GREEDY))

    assert result.output["text"] == greedy_text(LANGUAGE_MODEL, PROMPTS[0], 40)


def test_a_repetition_penalty_is_that_of_transformers(client: Client) -> None:
    options = {**GREEDY, "repetition_penalty": 1.3}

    result = client.result(client.send("generate", prompt=PROMPTS[0], max_new_tokens=40, **options))

    assert result.output["text"] == greedy_text(LANGUAGE_MODEL, PROMPTS[0], 40, repetition_penalty=1.3)


async def test_prompts_of_different_lengths_share_a_batch_and_keep_their_text(async_client: AsyncClient) -> None:
    lengths = (40, 10, 25, 1, 30)
    first = await _keep_the_device_busy(async_client)
    messages = [
        await async_client.send("generate", prompt=prompt, max_new_tokens=length, **GREEDY)
        for prompt, length in zip(PROMPTS, lengths, strict=True)
    ]

    results = await asyncio.gather(*(async_client.result(message) for message in messages))
    await async_client.result(first)

    expected = [greedy_text(LANGUAGE_MODEL, prompt, n) for prompt, n in zip(PROMPTS, lengths, strict=True)]
    assert [result.output["text"] for result in results] == expected
    assert max(result.metadata.batch_size for result in results) > 1


async def test_a_short_row_is_answered_before_the_long_row_of_its_batch(async_client: AsyncClient) -> None:
    blocker = await _keep_the_device_busy(async_client)
    long = await async_client.send("generate", prompt=LONG_PROMPT, max_new_tokens=200, **GREEDY)
    short = await async_client.send("generate", prompt=LONG_PROMPT, max_new_tokens=2, **GREEDY)
    order: list[str] = []

    async def note(name: str, message: object) -> int:
        result = await async_client.result(message)
        order.append(name)
        return result.metadata.batch_size

    sizes = await asyncio.gather(note("long", long), note("short", short))
    await async_client.result(blocker)

    assert sizes == [2, 2]
    assert order == ["short", "long"]


def test_a_seed_makes_a_sample_repeatable(client: Client) -> None:
    request = {"model": LANGUAGE_MODEL, "prompt": PROMPTS[0], "max_new_tokens": 30, "temperature": 1.0, "seed": 7}

    texts = [client.result(client.send("generate", **request)).output["text"] for _ in range(2)]
    other = client.result(client.send("generate", **{**request, "seed": 8})).output["text"]

    assert texts[0] == texts[1]
    assert other != texts[0]


def test_a_stop_string_ends_the_text_before_it(client: Client) -> None:
    whole = greedy_text(LANGUAGE_MODEL, PROMPTS[0], 40)
    stop = whole[10:14]

    result = client.result(client.send("generate", prompt=PROMPTS[0], max_new_tokens=40, stop=[stop], **GREEDY))

    assert result.output == {"text": whole[: whole.index(stop)], "finish_reason": "stop"}


def test_the_end_by_length_is_told(client: Client) -> None:
    result = client.result(client.send("generate", prompt=PROMPTS[0], max_new_tokens=3, **GREEDY))

    assert result.output["finish_reason"] == "length"
    assert result.metadata.output_tokens == 3


def test_messages_go_through_the_models_own_template(client: Client) -> None:
    from transformers import AutoTokenizer

    from actors.demo.models import SHIPPED_MODELS

    turns = [{"role": "user", "content": "What does the for statement do?"}]
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED_MODELS / LANGUAGE_MODEL, local_files_only=True)
    rendered = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)

    by_messages = client.result(client.send("generate", messages=turns, max_new_tokens=20, **GREEDY))
    by_prompt = client.result(client.send("generate", prompt=rendered, max_new_tokens=20, **GREEDY))

    assert by_messages.output == by_prompt.output


def test_more_tokens_than_the_context_holds_are_refused_with_the_numbers(client: Client) -> None:
    message = client.send("generate", prompt=PROMPTS[0], max_new_tokens=100_000, **GREEDY)

    with pytest.raises(InvalidRequest, match=r"max_new_tokens is 100,000; .* has a context of 256"):
        client.result(message)


async def test_a_long_prompt_does_not_push_its_neighbour_over_the_context(async_client: AsyncClient) -> None:
    long_prompt = "word " * 100
    blocker = await _keep_the_device_busy(async_client)
    first = await async_client.send("generate", prompt=long_prompt, max_new_tokens=4, **GREEDY)
    second = await async_client.send("generate", prompt=LONG_PROMPT, max_new_tokens=230, **GREEDY)

    results = await asyncio.gather(*(async_client.result(message) for message in (first, second, blocker)))

    assert results[0].output["text"] == greedy_text(LANGUAGE_MODEL, long_prompt, 4)
    assert results[1].output["text"] == greedy_text(LANGUAGE_MODEL, LONG_PROMPT, 230)
