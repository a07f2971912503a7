"""One device for one process: a lock of the operating system, which is free again however the process ends."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from actors.devices.backend import DeviceName
from actors.errors import DeviceUnavailable

#: Between taking a lock and writing who holds it another process may look; it waits this long for the name.
HOLDER_SECONDS = 2.0


@dataclass(frozen=True)
class Holder:
    """The process that has a device, and the start that it belongs to."""

    pid: int
    start: str


@dataclass(frozen=True)
class Claim:
    """A device that belongs to this process until it is released or the process ends."""

    name: DeviceName
    lock: FileLock
    holder_file: Path

    def release(self) -> None:
        """Gives the device to whoever asks next."""
        self.holder_file.unlink(missing_ok=True)
        self.lock.release()


def claim_device(devices: Sequence[DeviceName], lock_dir: Path, start: str) -> Claim | None:
    """Takes the first free device; None when other processes of the same start have them all.

    Raises:
      DeviceUnavailable: When all are held by other starts, with who holds them.
    """
    lock_dir.mkdir(parents=True, exist_ok=True)
    for device in devices:
        if claim := _try(device, lock_dir, start):
            return claim
    holders = {device: _holder(device, lock_dir) for device in devices}
    if any(holder and holder.start == start for holder in holders.values()):
        return None
    held = ", ".join(f"{device} by {_described(holder)}" for device, holder in holders.items())
    raise DeviceUnavailable(f"no device is free: {held}. Stop that worker, or name other devices in GPU_DEVICES")


def _files(device: DeviceName, lock_dir: Path) -> tuple[Path, Path]:
    # Two files, because Windows lets nobody read a locked one.
    stem = f"{device.backend}_{device.index}"
    return lock_dir / f"{stem}.lock", lock_dir / f"{stem}.json"


def _try(device: DeviceName, lock_dir: Path, start: str) -> Claim | None:
    lock_file, holder_file = _files(device, lock_dir)
    lock = FileLock(lock_file, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    holder_file.write_text(json.dumps({"pid": os.getpid(), "start": start}), encoding="utf-8")
    return Claim(device, lock, holder_file)


def _holder(device: DeviceName, lock_dir: Path) -> Holder | None:
    _, holder_file = _files(device, lock_dir)
    deadline = time.monotonic() + HOLDER_SECONDS
    while time.monotonic() < deadline:
        try:
            holder = Holder(**json.loads(holder_file.read_text(encoding="utf-8")))
            if psutil.pid_exists(holder.pid):
                return holder
        except (OSError, ValueError, TypeError):
            pass  # being written
        time.sleep(0.02)
    return None


def _described(holder: Holder | None) -> str:
    return f"process {holder.pid}" if holder else "a process that did not say its name"
