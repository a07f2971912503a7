"""Sentences per second through the queue against batches of the same model in one process.

`python -m benchmarks.embedding [--quick] [--json]` starts a Redis of its own and workers on the devices of GPU_DEVICES.
The limit is the same model in this process over all sentences at once, sorted by tokens, in batches of 16.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

OUTSTANDING = (1, 8, 32, 64)
LIMIT_BATCH = 16


@dataclass(frozen=True)
class Level:
    """One number of outstanding tasks."""

    outstanding: int
    per_second: float
    of_limit: float
    p50_ms: float
    p99_ms: float
    mean_batch: float


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedding", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute, rougher numbers")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(STATE_DIR=folder, REDIS_URL="")
        report = _measure(Path(folder), seconds=4.0 if arguments.quick else 20.0)
    print(json.dumps(report, indent=2) if arguments.json else _table(report))


def _measure(folder: Path, seconds: float) -> dict[str, object]:
    from actors.demo.cluster import running_workers
    from actors.demo.models import build_model_folder
    from benchmarks.machine import describe_machine
    from benchmarks.sentences import make_sentences
    from settings.config import current_settings
    from settings.local_redis import ensure_redis

    settings, sentences = current_settings(), make_sentences(4_000)
    models = build_model_folder(folder / "models")
    ensure_redis(settings, owner_pid=os.getpid())
    machine = describe_machine()
    limit = in_process_limit(models, sentences, seconds)
    with running_workers(settings, models) as workers:
        asyncio.run(_closed_loop(sentences, 8, 2.0))  # loads the model
        levels = [asyncio.run(_level(sentences, outstanding, seconds, limit)) for outstanding in OUTSTANDING]
    return {
        "machine": machine,
        "device": [worker.device.label for worker in workers if worker.device],
        "in_process_per_second": round(limit, 1),
        "levels": [asdict(level) for level in levels],
    }


def in_process_limit(models: Path, sentences: list[str], seconds: float) -> float:
    """Sentences per second of the bare model: sorted by tokens, batches of 16, no queue."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from actors.demo.models import EMBEDDING_MODEL

    tokenizer = AutoTokenizer.from_pretrained(models / EMBEDDING_MODEL, local_files_only=True)
    model = AutoModel.from_pretrained(models / EMBEDDING_MODEL, local_files_only=True, dtype=torch.float32).eval()
    done, started = 0, time.perf_counter()
    # A slice of all lengths, as large as fits the time; sorting more of them would not change the batches' widths.
    in_order = sorted(sentences, key=lambda text: len(tokenizer(text)["input_ids"]))
    batches = [in_order[at : at + LIMIT_BATCH] for at in range(0, len(in_order), LIMIT_BATCH)]
    with torch.inference_mode():
        for batch in batches[:: len(batches) // 16]:
            model(**tokenizer(batch, padding=True, return_tensors="pt"))  # warm
        started = time.perf_counter()
        step = 0
        while time.perf_counter() - started < seconds:
            # Stepping by a number that shares no factor with the count visits all lengths evenly.
            batch = batches[(step * 97) % len(batches)]
            model(**tokenizer(batch, padding=True, return_tensors="pt")).last_hidden_state.mean(dim=1)
            done, step = done + len(batch), step + 1
    return done / (time.perf_counter() - started)


async def _level(sentences: list[str], outstanding: int, seconds: float, limit: float) -> Level:
    latencies, batches, elapsed = await _closed_loop(sentences, outstanding, seconds)
    cuts = statistics.quantiles(latencies, n=100)
    per_second = len(latencies) / elapsed
    return Level(
        outstanding=outstanding,
        per_second=round(per_second, 1),
        of_limit=round(per_second / limit, 2),
        p50_ms=round(cuts[49] * 1000, 1),
        p99_ms=round(cuts[98] * 1000, 1),
        mean_batch=round(statistics.mean(batches), 1),
    )


async def _closed_loop(sentences: list[str], outstanding: int, seconds: float) -> tuple[list[float], list[int], float]:
    """Keeps so many tasks outstanding; returns latencies in seconds, batch sizes, and the time it took."""
    from actors.client import AsyncClient
    from actors.demo.models import EMBEDDING_MODEL

    latencies, batches, texts = [], [], iter(sentences * 100)
    started = time.perf_counter()

    async def one_after_another(client: AsyncClient) -> None:
        while time.perf_counter() - started < seconds:
            begun = time.perf_counter()
            message = await client.send("embed", model=EMBEDDING_MODEL, texts=[next(texts)], encoding="base64")
            result = await client.result(message)
            latencies.append(time.perf_counter() - begun)
            batches.append(result.metadata.batch_size)

    async with AsyncClient() as client:
        await asyncio.gather(*(one_after_another(client) for _ in range(outstanding)))
    return latencies, batches, time.perf_counter() - started


def _table(report: dict[str, object]) -> str:
    lines = [
        f"{report['machine']}",
        f"in process, sorted batches of {LIMIT_BATCH}: {report['in_process_per_second']} sentences/s",
        f"{'outstanding':>12}{'per second':>12}{'of limit':>10}{'p50 ms':>9}{'p99 ms':>9}{'mean batch':>12}",
    ]
    rows = [
        f"{level['outstanding']:>12}{level['per_second']:>12}{level['of_limit']:>10}"
        f"{level['p50_ms']:>9}{level['p99_ms']:>9}{level['mean_batch']:>12}"
        for level in report["levels"]
    ]
    return "\n".join([*lines, *rows])


if __name__ == "__main__":
    main()
