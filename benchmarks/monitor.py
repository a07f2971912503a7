"""What the dashboard costs while it watches many workers, and while it is paused.

`python -m benchmarks.monitor [--quick] [--json] [--changing PERCENT]` starts a Redis of its own with fabricated
records, 20 % of which change each second in their turn, and the dashboard on a terminal of 160x48 that a thread reads
empty. `--quick` measures for less time. A reading is known by its TIME, and its round trips by TIME and MGET, which
nobody else sends.
"""

import argparse
import json
import os
import pty
import select
import subprocess
import sys
import tempfile
import termios
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import redis

from benchmarks.machine import describe_machine
from benchmarks.own_redis import own_redis
from settings import keys
from settings.records import RECORD_TTL_SECONDS, DeviceRecord, ModelRecord, WorkerRecord

#: Workers, and lanes beside the queues' own lists.
SIZES = ((200, 20), (1_000, 20), (5_000, 50))

COLUMNS, LINES = 160, 48
WARM_UP_SECONDS, SETTLE_SECONDS, PATIENCE_SECONDS = 4.0, 2.0, 30.0
GIB, MIB = 2**30, 2**20


@dataclass(frozen=True)
class Measured:
    """The dashboard's cost with so many workers."""

    workers: int
    lanes: int
    cpu_percent: float
    paused_cpu_percent: float
    memory_mib: float
    round_trips: float
    redis_cpu_percent: float
    first_paint_seconds: float


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitor", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of four")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--changing", type=int, default=20, metavar="PERCENT", help="of the workers, each second")
    options = parser.parse_args()
    seconds = 6.0 if options.quick else 30.0
    measured = [measure(workers, lanes, options.changing, seconds) for workers, lanes in SIZES]
    if options.json:
        print(json.dumps({"machine": describe_machine(), "measured": [asdict(row) for row in measured]}, indent=2))
        return
    print("workers  lanes  CPU of a core  paused  memory   round trips  Redis' CPU  first paint")
    for row in measured:
        print(
            f"{row.workers:7,}  {row.lanes:5}  {row.cpu_percent:11.1f} %  {row.paused_cpu_percent:4.1f} %"
            f"  {row.memory_mib:3.0f} MiB  {row.round_trips:11.2f}"
            f"  {row.redis_cpu_percent:8.2f} %  {row.first_paint_seconds:9.2f} s"
        )


def measure(workers: int, lanes: int, changing_percent: int, seconds: float) -> Measured:
    """Watches a fabricated cluster for some seconds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        own_redis(Path(folder)) as url,
        redis.Redis.from_url(url) as client,
        _Beats(client, workers, lanes, changing_percent) as beats,
        _Dashboard(url) as dashboard,
    ):
        first_paint = dashboard.wait_for_first_paint()
        time.sleep(WARM_UP_SECONDS)
        server_before, trips_before, readings_before = beats.reader_microseconds(), beats.trips(), beats.readings()
        cpu_percent = dashboard.cpu_percent(seconds)
        server, trips, readings = beats.reader_microseconds(), beats.trips(), beats.readings()
        memory_bytes = dashboard.memory_bytes()
        dashboard.press("p")
        time.sleep(SETTLE_SECONDS)
        return Measured(
            workers=workers,
            lanes=lanes,
            cpu_percent=cpu_percent,
            paused_cpu_percent=dashboard.cpu_percent(seconds),
            memory_mib=memory_bytes / MIB,
            round_trips=(trips - trips_before) / max(1, readings - readings_before),
            redis_cpu_percent=(server - server_before) / seconds / 1e4,
            first_paint_seconds=first_paint,
        )


class _Beats:
    """Writes what workers write: at each second, the records of some of them, whose turn it is."""

    def __init__(self, client: redis.Redis, workers: int, lanes: int, changing_percent: int) -> None:
        self._client, self._workers, self._changing = client, workers, workers * changing_percent // 100
        self._texts = [self._record(number) for number in range(workers)]
        with client.pipeline(transaction=False) as pipe:
            pipe.sadd(keys.QUEUES, keys.INFERENCE_QUEUE, keys.CONTROL_QUEUE)
            for number in range(lanes):
                lane = f"{keys.INFERENCE_QUEUE}.normal.org/model-{number}"
                pipe.sadd(keys.LANES, lane)
                pipe.rpush(keys.ready(lane), f"{time.time_ns() // 1_000_000:012x}{number:020x}")
            pipe.execute()
        self._write(range(workers), RECORD_TTL_SECONDS * 100)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_ended, daemon=True)

    def __enter__(self) -> "_Beats":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def readings(self) -> int:
        """How often the monitor has read: nobody else asks for the time."""
        return self._calls("time")

    def trips(self) -> int:
        """How many pipelines the monitor has sent: each reading begins with TIME, and its second part with MGET."""
        return self._calls("time") + self._calls("mget")

    def reader_microseconds(self) -> float:
        """Redis' CPU time for what only the monitor asks."""
        others = {"set", "zadd", "sadd", "rpush", "info"}
        stats = {name.removeprefix("cmdstat_"): row for name, row in self._client.info("commandstats").items()}
        return float(sum(row["usec"] for name, row in stats.items() if name not in others))

    def _calls(self, command: str) -> int:
        return int(self._client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])

    def _beat_until_ended(self) -> None:
        first = 0
        while not self._ended.wait(1.0):
            turn = [number % self._workers for number in range(first, first + self._changing)]
            self._write(turn, RECORD_TTL_SECONDS * 100)
            first += self._changing

    def _write(self, numbers: "range | list[int]", ttl_seconds: int) -> None:
        now = time.time()
        with self._client.pipeline(transaction=False) as pipe:
            for number in numbers:
                text = self._texts[number].replace('"done":0', f'"done":{int(now) % 100_000}')
                pipe.set(keys.worker(f"gpu-{number:04}"), text, ex=ttl_seconds)
                pipe.zadd(keys.WORKERS, {f"gpu-{number:04}": now})
            pipe.execute()

    @staticmethod
    def _record(number: int) -> str:
        now = time.time()
        names = (f"org/model-{number % 7}", f"org/model-{number % 11 + 7}")
        device = DeviceRecord(
            name=f"cuda:{number % 8}", backend="cuda", label="NVIDIA GeForce RTX 4090", memory_total=24 * GIB,
            memory_used=12 * GIB,
        )  # fmt: skip
        models = tuple(
            ModelRecord(
                model=name, revision="main", dtype="float16", bytes=GIB, uses=9, loaded_at=now, last_used_at=now
            )
            for name in names
        )
        return WorkerRecord(
            worker_id=f"gpu-{number:04}", host=f"host-{number // 8}", pid=number, broker_id="b", state="busy",
            device=device, models=models, queues=("control", "inference"), started_at=now, sent_at=now,
        ).to_json()  # fmt: skip


class _Dashboard:
    """`python -m monitor` on a terminal of its own."""

    def __init__(self, url: str) -> None:
        self._screen, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (LINES, COLUMNS))
        self._begin = time.monotonic()
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        command = [sys.executable, "-m", "monitor", "--redis-url", url]
        self.process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
        os.close(terminal)
        self._painted = threading.Event()
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read_until_ended, daemon=True)

    def __enter__(self) -> "_Dashboard":
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._reader.join()
        self.process.kill()
        self.process.wait()
        os.close(self._screen)

    def wait_for_first_paint(self) -> float:
        """Seconds from the start of the process until a worker is on the screen."""
        if not self._painted.wait(PATIENCE_SECONDS):
            raise TimeoutError(f"no worker on the screen within {PATIENCE_SECONDS:.0f} s")
        return self._painted_at - self._begin

    def press(self, key: str) -> None:
        """Types a letter."""
        os.write(self._screen, key.encode())

    def cpu_percent(self, seconds: float) -> float:
        """Its share of a core in the seconds to come."""
        monitor, begin = psutil.Process(self.process.pid), time.monotonic()
        before = monitor.cpu_times()
        time.sleep(seconds)
        after = monitor.cpu_times()
        return 100 * (after.user + after.system - before.user - before.system) / (time.monotonic() - begin)

    def memory_bytes(self) -> int:
        """What it holds in memory."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def _read_until_ended(self) -> None:
        seen = b""
        while not self._ended.is_set():
            if select.select([self._screen], [], [], 0.1)[0]:
                seen = (seen + os.read(self._screen, 65_536))[-200_000:]
                if not self._painted.is_set() and b"gpu-0" in seen:
                    self._painted_at = time.monotonic()
                    self._painted.set()


if __name__ == "__main__":
    main()
