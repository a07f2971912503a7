"""Keeps tasks outstanding: `python -m benchmarks.embedders.load KIND SECONDS OUTSTANDING...`, latencies as JSON.

A program of its own, because each peer's client runs in the peer's environment.
"""

import asyncio
import importlib
import itertools
import json
import os
import statistics
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.sentences import make_sentences

#: Before each measurement, so that models are loaded and connections are open.
WARM_SECONDS = 0.5


@dataclass(frozen=True)
class Level:
    """One number of outstanding tasks."""

    outstanding: int
    per_second: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    """Measures every level and prints them."""
    kind, seconds, levels = sys.argv[1], float(sys.argv[2]), [int(level) for level in sys.argv[3:]]
    measure = LOADS[kind]
    measure(1, WARM_SECONDS)
    print(json.dumps([asdict(_level(outstanding, *measure(outstanding, seconds))) for outstanding in levels]))


def _level(outstanding: int, latencies: list[float], elapsed: float) -> Level:
    cuts = statistics.quantiles(latencies, n=100)
    per_second = round(len(latencies) / elapsed, 1)
    return Level(outstanding, per_second, round(cuts[49] * 1000, 2), round(cuts[98] * 1000, 2))


def _texts() -> Iterator[str]:
    return itertools.cycle(make_sentences(4_000))


Measurement = tuple[list[float], float]


def ours(outstanding: int, seconds: float) -> Measurement:
    """`AsyncClient`, as the documentation shows it."""
    return asyncio.run(_ours(outstanding, seconds))


async def _ours(outstanding: int, seconds: float) -> Measurement:
    from actors.client import AsyncClient
    from actors.demo.models import EMBEDDING_MODEL

    async with AsyncClient() as client:

        async def embed(text: str) -> None:
            message = await client.send("embed", model=EMBEDDING_MODEL, texts=[text], encoding="base64")
            await client.result(message)

        return await _closed_loop([embed] * outstanding, seconds)


def http(outstanding: int, seconds: float) -> Measurement:
    """One connection for each outstanding request, kept alive."""
    return asyncio.run(_http(outstanding, seconds))


async def _http(outstanding: int, seconds: float) -> Measurement:
    host, port, path = os.environ["PEER_HTTP"].split(" ")
    connections = [await asyncio.open_connection(host, int(port)) for _ in range(outstanding)]

    def on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Callable[[str], Awaitable[None]]:
        async def embed(text: str) -> None:
            await post(reader, writer, path, request_body(path, text))

        return embed

    try:
        return await _closed_loop([on(*connection) for connection in connections], seconds)
    finally:
        for _, writer in connections:
            writer.close()


def request_body(path: str, text: str) -> bytes:
    """One text; a batchable method of BentoML takes a list."""
    return json.dumps({"texts": [text]} if path == "/embed" else {"text": text}).encode()


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes) -> Any:
    """One request on an open connection; the answer's JSON."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(answer.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    content = await reader.readexactly(length)
    if b" 200 " not in answer[:16]:
        raise ConnectionError(f"{answer[:60]!r}: {content[:200]!r}")
    return json.loads(content)


async def _closed_loop(slots: list[Callable[[str], Awaitable[None]]], seconds: float) -> Measurement:
    """Each slot sends its next text when it has its answer; what is sent before the warm-up ends does not count."""
    latencies: list[float] = []
    texts, counts_from = _texts(), time.perf_counter() + WARM_SECONDS

    async def one_after_another(embed: Callable[[str], Awaitable[None]]) -> None:
        while (begun := time.perf_counter()) < counts_from + seconds:
            await embed(next(texts))
            if time.perf_counter() >= counts_from:
                latencies.append(time.perf_counter() - begun)

    await asyncio.gather(*map(one_after_another, slots))
    return latencies, time.perf_counter() - counts_from


def plain_dramatiq(outstanding: int, seconds: float) -> Measurement:
    """One thread that waits for the oldest of its tasks, through Dramatiq's own blocking read."""
    app = importlib.import_module("benchmarks.embedders.dramatiq_app")
    return _oldest_first(app.embed.send, lambda sent: sent.get_result(block=True, timeout=60_000), outstanding, seconds)


def celery(outstanding: int, seconds: float) -> Measurement:
    """The same through Celery's `get`."""
    app = importlib.import_module("benchmarks.embedders.celery_app")
    return _oldest_first(app.embed.delay, lambda sent: sent.get(timeout=60), outstanding, seconds)


def _oldest_first(
    send: Callable[[str], Any], receive: Callable[[Any], Any], outstanding: int, seconds: float
) -> Measurement:
    texts, latencies, sent = _texts(), [], deque[tuple[float, Any]]()
    counts_from = time.perf_counter() + WARM_SECONDS
    while sent or time.perf_counter() < counts_from + seconds:
        while len(sent) < outstanding and time.perf_counter() < counts_from + seconds:
            sent.append((time.perf_counter(), send(next(texts))))
        begun, task = sent.popleft()
        receive(task)
        if time.perf_counter() >= counts_from:
            latencies.append(time.perf_counter() - begun)
    return latencies, time.perf_counter() - counts_from


LOADS = {"ours": ours, "http": http, "dramatiq": plain_dramatiq, "celery": celery}

if __name__ == "__main__":
    main()
