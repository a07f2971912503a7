"""No-op tasks through this project's queue against other Python task queues, on one Redis in one run.

`python -m benchmarks.queue [--quick] [--json] [--only NAME…] [--processes N…]` starts a Redis of its own and, one after
the other, the workers of each system. Each of the others is installed into a virtual environment of its own in the
user's cache folder. Linux and macOS only: workers are stopped by a signal while the tasks of the drain are sent.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from benchmarks.comparison import Row, table
from benchmarks.environments import NotInstalled, python_with
from benchmarks.machine import describe_machine
from benchmarks.own_redis import commands_per_second, own_redis
from benchmarks.peers.systems import BASELINE, SYSTEMS, System

ROOT = Path(__file__).parent.parent

#: How long workers without work are watched.
IDLE_SECONDS = 5.0

#: A system that has not been measured after this long has failed.
LIMIT_SECONDS = 600.0


class Failed(Exception):
    """A system could not be measured."""


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one process, few tasks, the nearest systems: a minute")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[system.name for system in SYSTEMS])
    parser.add_argument("--processes", nargs="+", type=int, help="worker processes; not given: 1 2, with --quick 1")
    arguments = parser.parse_args()
    chosen = choose(arguments.only, arguments.quick)
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder, own_redis(Path(folder)) as url:
        rows = [
            _row(system, processes, arguments.quick, url, Path(folder))
            for processes in arguments.processes or ([1] if arguments.quick else [1, 2])
            for system in chosen
        ]
    report = {
        "machine": machine,
        "settings": {system.name: _settings(system) for system in chosen},
        "left_out": [system.name for system in SYSTEMS if system not in chosen],
        "rows": rows,
    }
    print(json.dumps(report, indent=2) if arguments.json else _text(report))


def choose(names: Sequence[str] | None, is_quick: bool) -> list[System]:
    """The systems that were named, else those that there is time for."""
    return [system for system in SYSTEMS if (system.name in names if names else system.is_quick or not is_quick)]


def _settings(system: System) -> str:
    return f"{' '.join(system.requirements)}: {system.settings}" if system.requirements else system.settings


def _row(system: System, processes: int, is_quick: bool, url: str, folder: Path) -> Row:
    row: Row = {"system": system.name, "processes": processes}
    try:
        row |= _measure(system, processes, is_quick, url, folder)
    except (NotInstalled, Failed) as error:
        row["failed"] = str(error)
    print(json.dumps(row), file=sys.stderr, flush=True)  # the whole takes a while
    return row


def _measure(system: System, processes: int, is_quick: bool, url: str, folder: Path) -> Row:
    python, log = python_with(system.requirements), folder / "workers.log"
    commands = [[python, *arguments] for arguments in system.workers(processes)]
    environment = _environment(system, url, folder)
    with redis.Redis.from_url(url) as client:
        client.flushall()  # what the system before left
        with _running(commands, environment, log) as group:
            plan = json.dumps(_plan(system, processes, is_quick, group))
            row = _drive([python, "-m", "benchmarks.peers.driver", system.app, plan], environment, log)
            if system.counts_idle_commands:
                rates = commands_per_second(client, IDLE_SECONDS)
                row["idle_commands"] = {name: round(rate / processes, 1) for name, rate in rates.items()}
                row["idle_commands_per_second"] = round(sum(rates.values()) / processes, 1)
    return row


def _plan(system: System, processes: int, is_quick: bool, group: int) -> dict[str, float]:
    """The arguments of `benchmarks.peers.driver.Plan`."""
    return {
        "processes": processes,
        "idle_tasks": 20 if is_quick else 100,
        "drain_tasks": system.drain_tasks // (5 if is_quick else 1),
        "closed_seconds": 1.5 if is_quick else 6.0,
        "worker_group": group,
    }


def _environment(system: System, url: str, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "REDIS_URL": url,
        "RQ_REDIS_URL": url,
        "STATE_DIR": str(folder / "state"),
        "BENCHMARK_CLIENT": system.variant,
        **system.environment,
    }


@contextmanager
def _running(commands: Sequence[Sequence[str]], environment: Mapping[str, str], log: Path) -> Iterator[int]:
    """Workers in one process group, whose id it yields."""
    programs: list[subprocess.Popen[bytes]] = []
    with log.open("wb") as output:
        for command in commands:
            group = programs[0].pid if programs else 0
            options: dict[str, Any] = {"env": environment, "cwd": ROOT, "process_group": group}
            programs.append(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options))
    try:
        yield programs[0].pid
    finally:
        # They are given no time: nothing is lost that was to be measured.
        os.killpg(programs[0].pid, signal.SIGKILL)
        for program in programs:
            program.wait()


def _drive(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Row:
    options: dict[str, Any] = {"env": environment, "cwd": ROOT, "capture_output": True, "text": True}
    try:
        driver = subprocess.run(command, timeout=LIMIT_SECONDS, check=False, **options)
    except subprocess.TimeoutExpired:
        raise Failed(f"not measured in {LIMIT_SECONDS:g} s") from None
    if driver.returncode:
        last_line = (driver.stderr.strip().splitlines() or ["no word"])[-1]
        raise Failed(f"{last_line}; workers: {log.read_text(errors='replace')[-400:].strip()}")
    row: Row = json.loads(driver.stdout.splitlines()[-1])
    return row


def _text(report: Mapping[str, Any]) -> str:
    """The report for a reader; a column x says how many times as good ours is as that row."""
    lines = [str(report["machine"]), table(report["rows"], BASELINE), f"x: how many times as good {BASELINE} is"]
    lines += [f"{name}: {settings}" for name, settings in report["settings"].items()]
    if left_out := report["left_out"]:
        lines.append(f"not measured: {', '.join(left_out)}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
