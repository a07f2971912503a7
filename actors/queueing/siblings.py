"""The worker processes of this host, and which of them have ended without a farewell."""

import json
import logging
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, cast

import psutil
import redis

from settings import keys

logger = logging.getLogger(__name__)

#: A host that has been silent for this long has no processes; what they held was swept long ago.
REGISTER_TTL_SECONDS = 86_400

#: Two looks at one process's creation time differ by rounding, two processes with one id by more.
CREATION_TOLERANCE_SECONDS = 1.0


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that is not mistaken for a later one with the same id."""

    pid: int
    created: float
    worker_id: str | None = None
    device: str | None = None
    """HOST/NAME of the device that it holds, None without one."""

    @classmethod
    def of_this_process(cls, worker_id: str | None = None, device: str | None = None) -> Self:
        """The identity to register."""
        process = psutil.Process()
        return cls(process.pid, process.create_time(), worker_id, device)

    def is_gone(self) -> bool:
        """Whether this process has ended; one that cannot be looked at is taken for alive."""
        try:
            process = psutil.Process(self.pid)
            if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return True
            return abs(process.create_time() - self.created) > CREATION_TOLERANCE_SECONDS
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False


def this_host() -> str:
    """A name that two processes share only when they see each other's process ids.

    Containers may have the host's name without seeing its processes, and copied machines may have each other's.
    """
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    except OSError as error:
        logger.debug("This host is known by its name alone: %s", error)
    return "-".join(parts)


class Siblings:
    """The register of one host's processes; each renews its own entry, and any removes those of the dead."""

    def __init__(self, client: redis.Redis, host: str) -> None:
        self._client, self._key = client, keys.brokers(host)

    def register(self, broker_id: str, process: ProcessIdentity) -> None:
        """Writes or renews an entry, which a Redis without persistence may have lost."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hset(self._key, broker_id, json.dumps(asdict(process)))
            pipe.expire(self._key, REGISTER_TTL_SECONDS)
            pipe.execute()

    def remove(self, broker_id: str) -> None:
        """Forgets a process that holds nothing any more."""
        self._client.hdel(self._key, broker_id)

    def processes(self) -> dict[str, ProcessIdentity]:
        """All entries by broker id."""
        entries = cast("dict[bytes, bytes]", self._client.hgetall(self._key))
        return {broker_id.decode(): ProcessIdentity(**json.loads(entry)) for broker_id, entry in entries.items()}
