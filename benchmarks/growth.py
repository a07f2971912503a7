"""What queueing costs Redis as lanes, waiting tasks and workers grow.

`python -m benchmarks.growth [--quick] [--json]` starts a Redis of its own, without persistence. There is no engine and
no result: a worker here is the service's own consumers and broker in a thread, and acknowledges at once; several share
a process. Waiting tasks are loaded by pipelines that write what an enqueue writes. `--quick` stops at 10,000 tasks.
"""

import argparse
import json
import math
import multiprocessing
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

#: Lanes that were ever used, and how many of them have tasks.
LANES = ((10, 10), (100, 100), (1_000, 1_000), (1_000, 10))
QUEUED = (1_000, 10_000, 100_000, 1_000_000)
WORKERS = (1, 10, 100)

#: Tasks that one probe sends, claims and acknowledges.
PROBES = 200

#: Tasks that workers drain, and the lanes that these lie in.
DRAINED, DRAINED_LANES = 10_000, 100

#: Tasks that are sent one by one to idle workers.
RINGS = 40

#: Between two of them: long enough for all that were woken to fall asleep again, and a steady stream.
SELDOM_SECONDS, STEADY_SECONDS = 0.1, 0.01

#: What a worker with a device takes at a time (WORKER_CONCURRENCY).
PREFETCH = 64

#: As a text of 100 characters would be.
TEXT = "x" * 100

#: Processes that simulated workers share.
PROCESSES = 4


@dataclass(frozen=True)
class QueueCost:
    """A queue with so many lanes and tasks, and one worker."""

    lanes_ever_used: int
    lanes_with_tasks: int
    queued: int
    bytes_per_task: int
    enqueue_ms: float
    claim_p50_ms: float
    claim_p99_ms: float
    redis_us_per_enqueue: float
    redis_us_per_claim: float
    redis_us_per_ack: float


@dataclass(frozen=True)
class WorkerCost:
    """So many workers: draining 10,000 tasks, idle, and woken for single tasks, 10 and 100 a second."""

    workers: int
    tasks_per_second: float
    redis_us_per_task: float
    idle_round_trips_per_second: float
    idle_redis_percent: float
    redis_us_per_task_at_10_per_second: float
    redis_us_per_task_at_100_per_second: float
    wake_p50_ms: float
    wake_p99_ms: float


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute, at most 10,000 tasks")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    report = _measure(arguments.quick)
    print(json.dumps(report, indent=2) if arguments.json else _tables(report))


def _measure(is_quick: bool) -> dict[str, Any]:
    from benchmarks.machine import describe_machine

    queued = [count for count in QUEUED if count <= 10_000 or not is_quick]
    return {
        "machine": describe_machine(),
        "queues": [asdict(row) for ever_used, filled in LANES for row in _queue_costs(ever_used, filled, queued)],
        "workers": [asdict(_worker_cost(count, idle_seconds=2.0 if is_quick else 10.0)) for count in WORKERS],
    }


@contextmanager
def _empty_redis() -> Iterator[Any]:
    """A broker of a new server, whose address is in the environment for child processes."""
    from benchmarks.own_redis import own_redis

    with tempfile.TemporaryDirectory() as folder, own_redis(Path(folder)) as url:
        os.environ["REDIS_URL"] = url
        yield _broker()


def _broker() -> Any:
    from actors.broker import HEARTBEAT_TIMEOUT_MS, MAINTENANCE_CHANCE_PER_MILLION
    from actors.queueing.broker import ClusterBroker
    from settings import keys
    from settings.config import Settings
    from settings.connections import queue_client

    return ClusterBroker(
        swap_max_wait=10.0,
        client=queue_client(Settings(_env_file=None)),
        namespace=keys.DRAMATIQ_NAMESPACE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=MAINTENANCE_CHANCE_PER_MILLION,
        middleware=[],
    )


def _message(model: int) -> Any:
    from dramatiq import Message

    from settings import keys

    fields = {"model": f"org/model-{model}", "texts": [TEXT]}
    return Message(queue_name=keys.INFERENCE_QUEUE, actor_name="embed", args=(), kwargs=fields, options={})


def _fill(broker: Any, lanes: int, count: int) -> None:
    """Writes what `count` enqueues write, many to a pipeline."""
    from actors.queueing.lanes import lane_of
    from settings import keys
    from settings.message_ids import sortable_id

    for start in range(0, count, 5_000):
        with broker.client.pipeline(transaction=False) as pipe:
            for place in range(start, min(start + 5_000, count)):
                message, redis_id = _message(place % lanes), sortable_id()
                lane = lane_of(message)
                body = message.copy(options={"redis_message_id": redis_id, "lane": lane}).encode()
                pipe.sadd(keys.LANES, lane)
                pipe.hset(keys.bodies(lane), redis_id, body)
                pipe.rpush(keys.ready(lane), redis_id)
            pipe.execute()


def _queue_costs(ever_used: int, filled: int, queued: list[int]) -> Iterator[QueueCost]:
    """One server, filled up from step to step."""
    with _empty_redis() as broker:
        _fill(broker, ever_used, ever_used)
        consumer, waiting = _consumer(broker), 0
        _drain(consumer)
        empty_bytes = _used_bytes(broker)
        for count in queued:
            _fill(broker, filled, count - waiting)
            waiting = count
            yield _probe(broker, consumer, ever_used, filled, count, (_used_bytes(broker) - empty_bytes) // count)


def _probe(broker: Any, consumer: Any, ever_used: int, filled: int, queued: int, bytes_per_task: int) -> QueueCost:
    """Sends, claims one by one and acknowledges as many tasks as it leaves waiting."""
    chance = random.Random(queued)
    enqueue_ms, claim_ms, taken = [], [], []
    cpu = [_redis_seconds(broker)]
    for _ in range(PROBES):
        message, started = _message(chance.randrange(filled)), time.perf_counter()
        broker.enqueue(message)
        enqueue_ms.append((time.perf_counter() - started) * 1000)
    cpu.append(_redis_seconds(broker))
    for _ in range(PROBES):
        started = time.perf_counter()
        taken += consumer._fetch(1)
        claim_ms.append((time.perf_counter() - started) * 1000)
    cpu.append(_redis_seconds(broker))
    _acknowledge(consumer, taken)
    cpu.append(_redis_seconds(broker))
    enqueue_us, claim_us, ack_us = (round((after - before) / PROBES * 1e6, 1) for before, after in pairwise(cpu))
    return QueueCost(
        lanes_ever_used=ever_used,
        lanes_with_tasks=filled,
        queued=queued,
        bytes_per_task=bytes_per_task,
        enqueue_ms=round(statistics.median(enqueue_ms), 3),
        claim_p50_ms=round(statistics.median(claim_ms), 3),
        claim_p99_ms=round(statistics.quantiles(claim_ms, n=100)[98], 3),
        redis_us_per_enqueue=enqueue_us,
        redis_us_per_claim=claim_us,
        redis_us_per_ack=ack_us,
    )


def _consumer(broker: Any) -> Any:
    from settings import keys

    return broker.consume(keys.INFERENCE_QUEUE, prefetch=PREFETCH, timeout=1_000)


def _drain(consumer: Any) -> None:
    while taken := consumer._fetch(PREFETCH):
        _acknowledge(consumer, taken)


def _acknowledge(consumer: Any, messages: list[Any]) -> None:
    from dramatiq.broker import MessageProxy

    for message in messages:
        consumer.ack(MessageProxy(message))


def _worker_cost(workers: int, idle_seconds: float) -> WorkerCost:
    with _empty_redis() as broker, _waiting_workers(workers) as (begin, taken):
        _fill(broker, DRAINED_LANES, DRAINED)
        cpu, started = _redis_seconds(broker), time.time()
        begin.set()
        ended = max(at for at, _ in (taken.get() for _ in range(DRAINED)))
        drain_us = (_redis_seconds(broker) - cpu) / DRAINED * 1e6
        time.sleep(2.0)  # until every consumer polls as seldom as it ever does
        idle_trips, idle_share = _idle_cost(broker, idle_seconds)
        seldom_us, wake_ms = _wake_cost(broker, taken, SELDOM_SECONDS, idle_share)
        steady_us, _ = _wake_cost(broker, taken, STEADY_SECONDS, idle_share)
    return WorkerCost(
        workers=workers,
        tasks_per_second=round(DRAINED / (ended - started)),
        redis_us_per_task=round(drain_us, 1),
        idle_round_trips_per_second=round(idle_trips),
        idle_redis_percent=round(idle_share * 100, 2),
        redis_us_per_task_at_10_per_second=round(seldom_us),
        redis_us_per_task_at_100_per_second=round(steady_us),
        wake_p50_ms=round(statistics.median(wake_ms), 1),
        wake_p99_ms=round(statistics.quantiles(wake_ms, n=100)[98], 1),
    )


def _idle_cost(broker: Any, seconds: float) -> tuple[float, float]:
    """Round trips a second of workers without a task, and the share of a core that Redis spends on them."""
    trips, cpu, started = _round_trips(broker), _redis_seconds(broker), time.perf_counter()
    time.sleep(seconds)
    elapsed = time.perf_counter() - started
    return (_round_trips(broker) - trips) / elapsed, (_redis_seconds(broker) - cpu) / elapsed


def _wake_cost(broker: Any, taken: Any, pause_seconds: float, idle_share: float) -> tuple[float, list[float]]:
    """Redis' microseconds for a task that wakes idle workers, beyond their idling, and how soon one has it."""
    cpu, started, sent_at = _redis_seconds(broker), time.perf_counter(), []
    for place in range(RINGS):
        sent_at.append(time.time())
        broker.enqueue(_message(place % DRAINED_LANES))
        time.sleep(pause_seconds)
    taken_at = sorted(taken.get()[0] for _ in range(RINGS))
    elapsed = time.perf_counter() - started
    latencies_ms = [(after - before) * 1000 for before, after in zip(sent_at, taken_at, strict=True)]
    return (_redis_seconds(broker) - cpu - idle_share * elapsed) / RINGS * 1e6, latencies_ms


@contextmanager
def _waiting_workers(count: int) -> Iterator[tuple[Any, Any]]:
    """Workers that begin when the event is set, and the queue of what they take: when, and by which worker."""
    context = multiprocessing.get_context("spawn")
    ready, begin, taken = context.Semaphore(0), context.Event(), context.SimpleQueue()
    shares = [math.ceil((count - index) / PROCESSES) for index in range(min(count, PROCESSES))]
    processes = [context.Process(target=_serve, args=(share, ready, begin, taken), daemon=True) for share in shares]
    for process in processes:
        process.start()
    for _ in range(count):
        ready.acquire()
    try:
        yield begin, taken
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _serve(count: int, ready: Any, begin: Any, taken: Any) -> None:
    """Runs in a child process until it is terminated."""
    for worker in range(count):
        for consumer in _consumers_of_a_worker():
            threading.Thread(target=_consume, args=(worker, consumer, begin, taken), daemon=True).start()
        ready.release()
    threading.Event().wait()


def _consumers_of_a_worker() -> list[Any]:
    """What Dramatiq gives a process with a device: both queues and their delays."""
    from dramatiq.common import dq_name

    from settings import keys

    broker, queues = _broker(), (keys.INFERENCE_QUEUE, keys.CONTROL_QUEUE)
    return [broker.consume(name, PREFETCH, 1_000) for queue in queues for name in (queue, dq_name(queue))]


def _consume(worker: int, consumer: Any, begin: Any, taken: Any) -> None:
    begin.wait()
    for message in consumer:
        if message is not None:
            consumer.ack(message)
            taken.put((time.time(), worker))


def _redis_seconds(broker: Any) -> float:
    cpu = broker.client.info("cpu")
    return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"])


def _round_trips(broker: Any) -> int:
    """What clients sent; commands would count those inside of scripts too."""
    return int(broker.client.info("stats")["total_reads_processed"])


def _used_bytes(broker: Any) -> int:
    return int(broker.client.info("memory")["used_memory"])


def _tables(report: dict[str, Any]) -> str:
    return "\n\n".join([f"{report['machine']}", _table(report["queues"]), _table(report["workers"])])


def _table(rows: list[dict[str, Any]]) -> str:
    """One line a row under the names of its fields."""
    titles = [name.replace("_", " ") for name in rows[0]]
    lines = [titles, *([f"{value:,}" for value in row.values()] for row in rows)]
    return "\n".join(
        "  ".join(cell.rjust(len(title)) for cell, title in zip(line, titles, strict=True)) for line in lines
    )


if __name__ == "__main__":
    main()
