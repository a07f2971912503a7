"""What one process computes without any queue: `python -m benchmarks.embedders.limits SECONDS`, as JSON."""

import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator

from benchmarks.embedders.model import DEVICE_VARIABLE, Model, served_model
from benchmarks.sentences import make_sentences

#: The best of these is the limit of a CPU, whose batches gain little from size and lose by padding.
CPU_BATCHES = (4, 8, 16)


def main() -> None:
    """Measures the lone text and each pool of outstanding texts."""
    seconds, model = float(sys.argv[1]), served_model()
    is_simulated = os.environ[DEVICE_VARIABLE] == "simulated"
    _rate(model, 8, 8, 1.0)  # warm
    report = {"lone_ms": _lone_ms(model, seconds), "per_second": {}}
    for pool in (1, 8, 32, 64):
        sizes = (pool,) if is_simulated else [size for size in CPU_BATCHES if size <= pool] or [pool]
        report["per_second"][pool] = round(max(_rate(model, pool, size, seconds) for size in sizes), 1)
    print(json.dumps(report))


def _lone_ms(model: Model, seconds: float) -> float:
    times, texts, ends = [], _texts(), time.perf_counter() + seconds
    while time.perf_counter() < ends:
        started = time.perf_counter()
        model.forward(model.tokenise([next(texts)]))
        times.append(time.perf_counter() - started)
    return round(statistics.median(times) * 1000, 2)


def _rate(model: Model, pool_size: int, batch_size: int, seconds: float) -> float:
    """Texts per second with `pool_size` outstanding: each batch is the oldest text and its nearest in tokens."""
    texts, done, pool = _texts(), 0, []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        pool += model.tokenise(list(itertools.islice(texts, pool_size - len(pool))))
        oldest = pool[0]
        nearest = sorted(range(1, len(pool)), key=lambda at: abs(len(pool[at]) - len(oldest)))[: batch_size - 1]
        chosen = {0, *nearest}
        model.forward([pool[at] for at in sorted(chosen)])
        pool = [tokens for at, tokens in enumerate(pool) if at not in chosen]
        done += len(chosen)
    return done / (time.perf_counter() - started)


def _texts() -> Iterator[str]:
    return itertools.cycle(make_sentences(4_000))


if __name__ == "__main__":
    main()
