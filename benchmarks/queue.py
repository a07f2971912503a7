"""No-op tasks through this project's queue against other Python task queues, on one Redis in one run.

`python -m benchmarks.queue [--quick] [--json] [--only NAME…]` starts a Redis of its own and, one after the other, the
workers of each system. Each of the others is installed into a virtual environment of its own in the user's cache
folder. Linux and macOS only: workers are stopped by a signal while the tasks of the drain are sent.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from benchmarks.environments import NotInstalled, python_with
from benchmarks.machine import describe_machine
from benchmarks.own_redis import commands_per_second, own_redis
from benchmarks.peers.systems import BASELINE, SYSTEMS, System

ROOT = Path(__file__).parent.parent

#: How long workers without work are watched.
IDLE_SECONDS = 5.0

#: A system that has not been measured after this long has failed.
LIMIT_SECONDS = 600.0

#: Figure, head of its column, and head of the column that says how many times as good ours is; "" for none.
_COLUMNS = (
    ("idle_p50_ms", "idle p50 ms", "x"),
    ("idle_p99_ms", "p99 ms", "x"),
    ("enqueue_per_second", "enqueue/s", ""),
    ("drain_per_second", "drain/s", "x"),
    ("closed_per_second", "closed-32/s", "x"),
    ("closed_p50_ms", "p50 ms", ""),
    ("closed_p99_ms", "p99 ms", ""),
    ("idle_commands_per_second", "idle cmds/s", ""),
)

Row = dict[str, Any]


class Failed(Exception):
    """A system could not be measured."""


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one process, few tasks, the nearest systems: a minute")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[system.name for system in SYSTEMS])
    arguments = parser.parse_args()
    chosen = choose(arguments.only, arguments.quick)
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder, own_redis(Path(folder)) as url:
        rows = [
            _row(system, processes, arguments.quick, url, Path(folder))
            for processes in ((1,) if arguments.quick else (1, 2))
            for system in chosen
        ]
    report = {
        "machine": machine,
        "settings": {system.name: _settings(system) for system in chosen},
        "left_out": [system.name for system in SYSTEMS if system not in chosen],
        "rows": rows,
    }
    print(json.dumps(report, indent=2) if arguments.json else table(report))


def choose(names: Sequence[str] | None, is_quick: bool) -> list[System]:
    """The systems that were named, else those that there is time for."""
    return [system for system in SYSTEMS if (system.name in names if names else system.is_quick or not is_quick)]


def _settings(system: System) -> str:
    return f"{' '.join(system.requirements)}: {system.settings}" if system.requirements else system.settings


def _row(system: System, processes: int, is_quick: bool, url: str, folder: Path) -> Row:
    row: Row = {"system": system.name, "processes": processes}
    print(f"{system.name}, {processes} …", file=sys.stderr, flush=True)
    try:
        return row | _measure(system, processes, is_quick, url, folder)
    except (NotInstalled, Failed) as error:
        return row | {"failed": str(error)}


def _measure(system: System, processes: int, is_quick: bool, url: str, folder: Path) -> Row:
    python = python_with(system.requirements)
    log, environment = folder / "workers.log", _environment(system, url, folder)
    commands = [[python, *map(url.join, _split(command))] for command in system.workers(processes)]
    with redis.Redis.from_url(url) as client, _running(commands, environment, log) as group:
        plan = {
            "processes": processes,
            "idle_tasks": 20 if is_quick else 100,
            "drain_tasks": system.drain_tasks // (5 if is_quick else 1),
            "closed_seconds": 1.5 if is_quick else 6.0,
            "worker_group": group,
        }
        row = _drive([python, "-m", "benchmarks.peers.driver", system.app, json.dumps(plan)], environment, log)
        if system.counts_idle_commands:
            commands_run = commands_per_second(client, IDLE_SECONDS)
            row["idle_commands_per_second"] = round(sum(commands_run.values()) / processes, 1)
            row["idle_commands"] = {name: round(rate / processes, 1) for name, rate in commands_run.items()}
        _end(group)
        client.flushall()
    return row


def _split(command: Sequence[str]) -> Iterator[list[str]]:
    return (part.split("{redis}") for part in command)


def _environment(system: System, url: str, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "REDIS_URL": url,
        "STATE_DIR": str(folder / "state"),
        "MODEL_MANAGER_PATH": str(folder),
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
        _end(programs[0].pid)
        for program in programs:
            program.wait()


def _end(group: int) -> None:
    """No worker is given time: nothing that is measured is left, and the database is emptied."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
    time.sleep(0.2)


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


def times_as_good(figure: str, row: Row, baseline: Row) -> float | None:
    """How many times as good the baseline's figure is as this row's: more is better for us in every column."""
    if not (value := row.get(figure)) or not (ours := baseline.get(figure)):
        return None
    return value / ours if figure.endswith("_ms") else ours / value


def table(report: dict[str, Any]) -> str:
    """The report as text; a column x says how many times as good ours is as this row."""
    cells = [["system", "procs", *_heads()]]
    cells += [_cells(row, _baseline(row, report["rows"])) for row in report["rows"]]
    widths = [max(len(line[column]) for line in cells if column < len(line)) for column in range(len(cells[0]))]
    widths[0] = max(widths[0], max(len(row["system"]) for row in report["rows"]))
    lines = [str(report["machine"]), *(_aligned(line, widths) for line in cells)]
    lines += [f"  {name}: {settings}" for name, settings in report["settings"].items()]
    if left_out := report["left_out"]:
        lines.append(f"  not measured: {', '.join(left_out)}")
    return "\n".join(lines)


def _heads() -> list[str]:
    return [head for _, *heads in _COLUMNS for head in heads if head]


def _baseline(row: Row, rows: Sequence[Row]) -> Row:
    own = (other for other in rows if other["system"] == BASELINE and other["processes"] == row["processes"])
    return next(own, {})


def _cells(row: Row, baseline: Row) -> list[str]:
    cells = [row["system"], str(row["processes"])]
    if failed := row.get("failed"):
        return [*cells, f"failed: {failed}"]
    for figure, _, ratio_head in _COLUMNS:
        cells.append(_number(row.get(figure)))
        if ratio_head:
            ratio = times_as_good(figure, row, baseline)
            cells.append("-" if ratio is None else f"{ratio:.2f}")
    return cells


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    name, *others = line
    if len(others) == 2:  # a failure's reason is not cut
        return "  ".join([name.ljust(widths[0]), others[0].rjust(widths[1]), others[1]])
    cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
    return "  ".join([name.ljust(widths[0]), *cells])


if __name__ == "__main__":
    main()
