"""A Redis of the benchmark's own, without persistence, so that no one else's data or load is in the figures."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from settings import local_redis


@contextmanager
def own_redis(folder: Path) -> Iterator[str]:
    """The URL of a server that ends with the block."""
    port = local_redis._free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([next(local_redis._servers()), *options], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        _wait_until_it_answers(url)
        yield url
    finally:
        server.terminate()
        server.wait()


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + local_redis.START_TIMEOUT_SECONDS
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def commands_per_second(client: redis.Redis, seconds: float) -> dict[str, float]:
    """How often each command is run meanwhile, those that scripts call included."""
    client.config_resetstat()
    time.sleep(seconds)
    stats = client.info("commandstats")
    own = {"cmdstat_config|resetstat", "cmdstat_info"}
    return {name.removeprefix("cmdstat_"): row["calls"] / seconds for name, row in stats.items() if name not in own}
