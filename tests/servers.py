"""A Redis server of a test's own, which can be killed, frozen and started again."""

import os
import signal
import subprocess
from pathlib import Path

import redis

from settings import local_redis
from tests.waiting import wait_until


class RedisServer:
    """A real server on a loopback port; keeps its data in `folder` when it is persistent."""

    def __init__(self, folder: Path, is_persistent: bool = False) -> None:
        self._folder, self._is_persistent = folder, is_persistent
        self.port = local_redis._free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "RedisServer":
        """Starts the server and waits until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder), "--save", ""]
        persistence = ["--appendonly", "yes" if self._is_persistent else "no", "--appendfsync", "always"]
        command = [next(local_redis._servers()), *options, *persistence, "--logfile", "server.log"]
        self._process = subprocess.Popen(command)
        wait_until(self._is_loaded, "Redis answers")
        return self

    def _is_loaded(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def kill(self) -> None:
        """Ends the server at once, as a crash does."""
        self._signal(signal.SIGKILL)
        self.stop()

    def freeze(self) -> None:
        """Makes the server accept connections and never answer."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it answer again."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Ends the server; harmless when it has ended."""
        if self._process:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)
