"""How often models are swapped and how long tasks wait for that: lanes against the order of sending.

`python -m benchmarks.swap [--quick] [--json]` starts a Redis of its own and workers whose devices only sleep: 2 s for a
load, 20 ms for a batch and 1 ms for each item. `sent order` is what a plain Dramatiq worker with a model cache and a
batcher does: one list for all models, 64 tasks in hand, computed in the order of sending, where neighbours that need
the same model share a batch. `--quick` runs shorter traces on a clock that is ten times as fast (0.2 s for a load,
SWAP_MAX_WAIT=1).
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SEED = 20_26
LOAD_SECONDS, BATCH_SECONDS, ITEM_SECONDS = 2.0, 0.02, 0.001
SWAP_MAX_WAIT_SECONDS = 10.0

#: The two ways: through lanes, and in the queue's own list and the order of sending.
LANES, SENT_ORDER = "lanes", "sent order"

#: A few seconds more than the slowest trace takes.
PATIENCE_SECONDS = 1_200.0


@dataclass(frozen=True)
class Arrival:
    """A task of a trace."""

    at_seconds: float
    model: str


@dataclass(frozen=True)
class Measured:
    """One trace through workers of one kind."""

    trace: str
    workers: int
    way: str
    tasks: int
    loads: int
    per_second: float
    p50_seconds: float
    p95_seconds: float
    longest_seconds: float
    worst_excess_seconds: float | None = None
    """The most that one task took beyond its time in the order of sending."""


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swap", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute, shorter traces, a faster clock")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    report = _measure(speed=10.0, shorter=8) if arguments.quick else _measure(speed=1.0, shorter=1)
    print(json.dumps(report, indent=2) if arguments.json else _table(report))


def _measure(speed: float, shorter: int) -> dict[str, Any]:
    from benchmarks.machine import describe_machine

    traces = {
        "2 models that alternate": alternating(200 // shorter),
        "10 models": popular(400 // shorter, per_second=6.0),
    }
    rows = []
    for workers in (1, 2):
        sent_order = _run(traces, workers, SENT_ORDER, speed)
        lanes = _run(traces, workers, LANES, speed)
        for trace in traces:
            rows += [
                _measured(trace, workers, SENT_ORDER, sent_order[trace]),
                _measured(trace, workers, LANES, lanes[trace], against=sent_order[trace]),
            ]
    allowed = (SWAP_MAX_WAIT_SECONDS + LOAD_SECONDS + BATCH_SECONDS + ITEM_SECONDS * 64) / speed
    return {
        "machine": describe_machine(),
        "speed": speed,
        "allowed_excess_seconds": round(allowed, 3),
        "rows": [asdict(row) for row in rows],
    }


def alternating(tasks: int) -> list[Arrival]:
    """A, B, A, B, … all at once, for a device that holds one of them."""
    return [Arrival(0.0, f"holds-1/{'ab'[place % 2]}") for place in range(tasks)]


def popular(tasks: int, per_second: float) -> list[Arrival]:
    """Ten models of unlike popularity (1, 1/2, 1/3, …) at random times, for a device that holds two of them."""
    chance, at = random.Random(SEED), 0.0
    models = [f"holds-2/m{rank}" for rank in range(1, 11)]
    weights = [1 / rank for rank in range(1, 11)]
    arrivals = []
    for model in chance.choices(models, weights, k=tasks):
        at += chance.expovariate(per_second)
        arrivals.append(Arrival(at, model))
    return arrivals


@dataclass(frozen=True)
class _Outcome:
    latencies: list[float]
    loads: int
    elapsed: float


def _run(traces: dict[str, list[Arrival]], workers: int, way: str, speed: float) -> dict[str, _Outcome]:
    """All traces through workers that are started for them."""
    from benchmarks.own_redis import own_redis
    from benchmarks.simulated_workers import lay_out_models, running_simulated_workers
    from settings.config import Settings

    with tempfile.TemporaryDirectory() as name, own_redis(Path(name)) as url:
        folder, loads = Path(name), Path(name) / "loads"
        names = {arrival.model for trace in traces.values() for arrival in trace}
        environment = {
            "REDIS_URL": url,
            "STATE_DIR": name,
            "MODEL_MANAGER_PATH": str(lay_out_models(folder / "models", names)),
            "SWAP_MAX_WAIT": str(SWAP_MAX_WAIT_SECONDS / speed),
            "TASK_TIMEOUT": str(int(PATIENCE_SECONDS)),
            "SIMULATED_LOAD": str(LOAD_SECONDS / speed),
            "SIMULATED_BATCH": str(BATCH_SECONDS / speed),
            "SIMULATED_ITEM": str(ITEM_SECONDS / speed),
            "SIMULATED_LOADS_FILE": str(loads),
            "SIMULATED_ORDER": "sent" if way == SENT_ORDER else "",
        }
        settings = Settings(_env_file=None, redis_url=url, state_dir=folder)
        with running_simulated_workers(settings, workers, environment):
            return {trace: _play(arrivals, settings, way, speed, loads) for trace, arrivals in traces.items()}


def _play(arrivals: Sequence[Arrival], settings: Any, way: str, speed: float, loads: Path) -> _Outcome:
    """Sends a trace's tasks at their times and waits for all of them; a worker tells when it had each one done."""
    from dramatiq.brokers.redis import RedisBroker

    from actors.broker import create_broker
    from actors.client import Client
    from settings import keys

    broker = create_broker(settings)
    client = Client(settings, broker)
    loads_before, started, sent = _count_lines(loads), time.time(), []
    for place, arrival in enumerate(arrivals):
        time.sleep(max(0.0, started + arrival.at_seconds / speed - time.time()))
        message = client.message("embed", model=arrival.model, texts=[str(place)])
        if way == LANES:
            broker.enqueue(message)
        else:
            RedisBroker.enqueue(broker, message)
            broker.doorbell.ring(keys.INFERENCE_QUEUE)
        sent.append(message)
    timings = [client.result(message, PATIENCE_SECONDS).metadata.timings for message in sent]
    latencies = [sum(timing.model_dump().values()) / 1000 for timing in timings]
    ended = max(message.message_timestamp / 1000 + took for message, took in zip(sent, latencies, strict=True))
    return _Outcome(latencies, _count_lines(loads) - loads_before, ended - started)


def _count_lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0


def _measured(trace: str, workers: int, way: str, outcome: _Outcome, against: _Outcome | None = None) -> Measured:
    cuts = statistics.quantiles(outcome.latencies, n=100)
    excess = None
    if against:
        excess = round(max(a - b for a, b in zip(outcome.latencies, against.latencies, strict=True)), 3)
    return Measured(
        trace=trace,
        workers=workers,
        way=way,
        tasks=len(outcome.latencies),
        loads=outcome.loads,
        per_second=round(len(outcome.latencies) / outcome.elapsed, 2),
        p50_seconds=round(cuts[49], 3),
        p95_seconds=round(cuts[94], 3),
        longest_seconds=round(max(outcome.latencies), 3),
        worst_excess_seconds=excess,
    )


def _table(report: dict[str, Any]) -> str:
    lines = [
        f"{report['machine']}",
        f"seconds on a clock of {report['speed']:g} x; an excess of {report['allowed_excess_seconds']} s is allowed",
        f"{'trace':<26}{'workers':>8}{'way':>12}{'tasks':>7}{'loads':>7}{'tasks/s':>9}{'p50 s':>9}{'p95 s':>9}"
        f"{'longest s':>11}{'worst excess s':>16}",
    ]
    for row in report["rows"]:
        excess = "-" if row["worst_excess_seconds"] is None else row["worst_excess_seconds"]
        lines.append(
            f"{row['trace']:<26}{row['workers']:>8}{row['way']:>12}{row['tasks']:>7}{row['loads']:>7}"
            f"{row['per_second']:>9}{row['p50_seconds']:>9}{row['p95_seconds']:>9}{row['longest_seconds']:>11}{excess:>16}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
