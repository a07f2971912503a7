"""What the demo asks of the workers, each scene through the public client."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from actors.client import AsyncClient, Client
from actors.demo.models import CLASSIFIER, EMBEDDING_MODEL, LANGUAGE_MODEL
from actors.payloads import Metadata, TaskResult

QUESTION = "How do I make a list in Python?"
ANSWERS = (
    "Square brackets create a list, as in [1, 2, 3].",
    "The cat sleeps on the warm windowsill.",
    "A tuple is written with parentheses and cannot be changed.",
    "Tomorrow it will rain in the mountains.",
)
PROMPT = "The for statement is used to"
SNIPPET = "for line in open(path):\n    print(line.strip())"
CONCURRENT_EMBEDS = 64


@dataclass(frozen=True)
class TaskReport:
    """One task as `--json` prints it."""

    actor: str
    output: Any
    metadata: Metadata
    ms: float

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {"actor": self.actor, "output": self.output, "metadata": self.metadata.model_dump(), "ms": self.ms}


def _report(actor: str, result: TaskResult, started: float) -> TaskReport:
    return TaskReport(actor, result.output, result.metadata, round((time.monotonic() - started) * 1000, 1))


def nearest_sentence(client: Client) -> tuple[list[tuple[float, str]], TaskReport]:
    """The answers with their similarity to the question, nearest first."""
    started = time.monotonic()
    message = client.send("embed", model=EMBEDDING_MODEL, texts=[QUESTION, *ANSWERS])
    report = _report("embed", client.result(message), started)
    question, *answers = report.output
    similarities = [sum(a * b for a, b in zip(question, answer, strict=True)) for answer in answers]
    return sorted(zip(similarities, ANSWERS, strict=True), reverse=True), report


def streamed_paragraph(client: Client, show: Callable[[str], None]) -> TaskReport:
    """Calls `show` with each piece of a generated text as it comes."""
    started = time.monotonic()
    message = client.send(
        "generate",
        model=LANGUAGE_MODEL,
        prompt=PROMPT,
        max_new_tokens=60,
        temperature=0,
        repetition_penalty=1.2,
        stream=True,
    )
    for piece in client.stream(message):
        show(piece)
    return _report("generate", client.result(message), started)


def classification(client: Client) -> TaskReport:
    """Says what kind of text the snippet is."""
    started = time.monotonic()
    message = client.send("classify", model=CLASSIFIER, texts=[SNIPPET], top_k=2)
    return _report("classify", client.result(message), started)


def concurrent_embeds() -> list[TaskReport]:
    """Sixty-four tasks at once on one asyncio client; the workers batch them."""
    return asyncio.run(_concurrent_embeds())


async def _concurrent_embeds() -> list[TaskReport]:
    async with AsyncClient() as client:
        return list(await asyncio.gather(*(_embed(client, text) for text in _sentences())))


async def _embed(client: AsyncClient, text: str) -> TaskReport:
    started = time.monotonic()
    message = await client.send("embed", model=EMBEDDING_MODEL, texts=[text], encoding="base64")
    return _report("embed", await client.result(message), started)


def _sentences() -> Iterator[str]:
    for number in range(CONCURRENT_EMBEDS):
        yield f"Sentence number {number} is about " + ", ".join(ANSWERS[: 1 + number % len(ANSWERS)])
