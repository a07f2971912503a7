"""Measures one system from its client's side: `python -m benchmarks.peers.driver APP PLAN` prints one JSON document.

Runs in the system's own environment, so it imports nothing but the standard library and the app.
"""

import asyncio
import importlib
import json
import math
import os
import random
import signal
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.peer import Peer

#: Seconds between two tasks of the idle measurement: 0.3 on average, and in step with no poller.
SHORTEST_GAP_SECONDS, LONGEST_GAP_SECONDS = 0.2, 0.4

#: Tasks that are kept outstanding in the closed loop.
OUTSTANDING = 32

#: Seconds for the workers to start and to share the first tasks.
READY_SECONDS = 60.0

#: How often it is asked how many results there are.
LOOK_SECONDS = 0.005


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    processes: int
    idle_tasks: int
    drain_tasks: int
    closed_seconds: float
    worker_group: int
    """The process group of the workers, which is stopped while the drain's tasks are sent."""


async def measure(peer: Peer, plan: Plan) -> dict[str, float]:
    """All figures of one system at one number of processes."""
    await peer.open()
    await _wait_until_ready(peer, plan.processes)
    await _closed_loop(peer, min(1.0, plan.closed_seconds))  # warm
    idle = await _idle_latencies(peer, plan.idle_tasks)
    enqueue_per_second, drain_per_second = await _drain(peer, plan)
    workers_before, client_before = _cpu_seconds(plan.worker_group), time.process_time()
    closed, closed_per_second = await _closed_loop(peer, plan.closed_seconds)
    return {
        "worker_cpu_us": round((_cpu_seconds(plan.worker_group) - workers_before) / len(closed) * 1e6, 1),
        "client_cpu_us": round((time.process_time() - client_before) / len(closed) * 1e6, 1),
        "idle_p50_ms": _percentile_ms(idle, 50),
        "idle_p99_ms": _percentile_ms(idle, 99),
        "enqueue_per_second": round(enqueue_per_second, 1),
        "drain_per_second": round(drain_per_second, 1),
        "closed_per_second": round(closed_per_second, 1),
        "closed_p50_ms": _percentile_ms(closed, 50),
        "closed_p99_ms": _percentile_ms(closed, 99),
    }


async def _wait_until_ready(peer: Peer, processes: int) -> None:
    """Sends tasks until every process has run one."""
    seen: set[int] = set()
    deadline = time.monotonic() + READY_SECONDS
    while len(seen) < processes:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(seen)} of {processes} worker processes took a task in {READY_SECONDS:g} s")
        sent = [await peer.send() for _ in range(OUTSTANDING if processes > 1 else 1)]
        seen.update([await peer.fetch(one) for one in sent])


async def _idle_latencies(peer: Peer, tasks: int) -> list[float]:
    """Seconds from before the send until after the result, of tasks that meet an idle system."""
    latencies, gaps = [], random.Random(0)
    for _ in range(tasks):
        await asyncio.sleep(gaps.uniform(SHORTEST_GAP_SECONDS, LONGEST_GAP_SECONDS))
        begun = time.perf_counter()
        await peer.fetch(await peer.send())
        latencies.append(time.perf_counter() - begun)
    return latencies


async def _drain(peer: Peer, plan: Plan) -> tuple[float, float]:
    """Tasks a second sent to stopped workers, and done from the moment when they go on."""
    await asyncio.sleep(0.2)  # what the phase before left is acknowledged
    goal = await peer.finished() + plan.drain_tasks
    os.killpg(plan.worker_group, signal.SIGSTOP)
    try:
        begun = time.perf_counter()
        sent = [await peer.send() for _ in range(plan.drain_tasks)]
        enqueue_seconds = time.perf_counter() - begun
    finally:
        os.killpg(plan.worker_group, signal.SIGCONT)
    begun = time.perf_counter()
    while await peer.finished() < goal:
        await asyncio.sleep(LOOK_SECONDS)
    drain_seconds = time.perf_counter() - begun
    await peer.fetch(sent[-1])  # what was counted are results indeed
    return plan.drain_tasks / enqueue_seconds, plan.drain_tasks / drain_seconds


async def _closed_loop(peer: Peer, seconds: float) -> tuple[list[float], float]:
    """Keeps OUTSTANDING tasks outstanding; their latencies in seconds, and tasks a second."""
    begun = time.perf_counter()
    latencies = await (_many_at_once if peer.is_async else _oldest_first)(peer, begun + seconds)
    return latencies, len(latencies) / (time.perf_counter() - begun)


async def _many_at_once(peer: Peer, end: float) -> list[float]:
    latencies = []

    async def one_after_another() -> None:
        while (begun := time.perf_counter()) < end:
            await peer.fetch(await peer.send())
            latencies.append(time.perf_counter() - begun)

    await asyncio.gather(*(one_after_another() for _ in range(OUTSTANDING)))
    return latencies


async def _oldest_first(peer: Peer, end: float) -> list[float]:
    """One thread: what came meanwhile is there when it is asked for, so this is faster than a thread a task."""
    latencies = []
    outstanding = deque([(time.perf_counter(), await peer.send()) for _ in range(OUTSTANDING)])
    while outstanding:
        begun, sent = outstanding.popleft()
        await peer.fetch(sent)
        latencies.append(time.perf_counter() - begun)
        if time.perf_counter() < end:
            outstanding.append((time.perf_counter(), await peer.send()))
    return latencies


def _cpu_seconds(group: int) -> float:
    """Processor time of a process group and its ended children, by Linux' /proc; 0 elsewhere."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[2]) == group:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _percentile_ms(seconds: list[float], percent: int) -> float:
    """The smallest value that so many of the values do not exceed."""
    return round(sorted(seconds)[math.ceil(len(seconds) * percent / 100) - 1] * 1000, 2)


def main() -> None:
    """Measures the app that the command line names."""
    app, plan = sys.argv[1:]
    peer: Peer = importlib.import_module(f"benchmarks.peers.{app}").client()
    print(json.dumps(asyncio.run(measure(peer, Plan(**json.loads(plan))))), flush=True)
    os._exit(0)  # some clients leave threads behind


if __name__ == "__main__":
    main()
