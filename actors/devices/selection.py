"""From GPU_DEVICES to the devices of this host, in the order in which processes claim them."""

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import psutil
from filelock import FileLock

from actors.devices.backend import BACKENDS, DeviceName
from actors.devices.probe import Probe, probe_backends
from actors.errors import DeviceUnavailable
from settings.config import Settings

logger = logging.getLogger(__name__)

ACCELERATORS = tuple(backend for backend in BACKENDS if backend != "cpu")

Probes = Mapping[str, Probe]


def this_start() -> str:
    """Names the start that this process belongs to: the Dramatiq master's process, which is its parent."""
    parent = psutil.Process(os.getppid())
    return f"{parent.pid}@{parent.create_time():.2f}"


def select_devices(settings: Settings, probe: Callable[[], Probes] | None = None) -> tuple[DeviceName, ...]:
    """The devices that GPU_DEVICES names; the host is probed only when the answer depends on what it has.

    Worker processes of one Dramatiq master share a probe; whoever else asks passes a `probe` of its own.

    Raises:
      DeviceUnavailable: When it names what the host does not have.
    """
    wanted = settings.gpu_devices.split(",")
    if all(part[0].isalpha() and part not in ("auto", "all") for part in wanted):
        return tuple(dict.fromkeys(DeviceName.parse(part) for part in wanted))
    found = probe() if probe else _probe_once_a_start(settings.state_dir)
    if wanted == ["all"]:
        return _every_accelerator(found)
    best = _best_backend(found)
    if wanted == ["auto"]:
        return _devices_of(best, found) if best else _the_cpu(found)
    return tuple(dict.fromkeys(_named(part, best, found) for part in wanted))


def _devices_of(backend: str, found: Probes) -> tuple[DeviceName, ...]:
    return tuple(DeviceName(backend, index) for index in range(len(found[backend].labels)))


def _the_cpu(found: Probes) -> tuple[DeviceName, ...]:
    logger.warning("No accelerator can be used, so this host computes on its CPU (%s).", _reasons(found))
    return (DeviceName("cpu", 0),)


def _best_backend(found: Probes) -> str | None:
    return next((backend for backend in ACCELERATORS if found[backend].labels), None)


def _every_accelerator(found: Probes) -> tuple[DeviceName, ...]:
    devices = tuple(device for backend in ACCELERATORS for device in _devices_of(backend, found))
    if not devices:
        raise DeviceUnavailable(f"GPU_DEVICES=all: this host has no accelerator ({_reasons(found)})")
    return devices


def _named(part: str, best: str | None, found: Probes) -> DeviceName:
    if part[0].isalpha():
        return DeviceName.parse(part)
    if best is None:
        raise DeviceUnavailable(f"GPU_DEVICES={part}: this host has no accelerator ({_reasons(found)})")
    if int(part) >= len(found[best].labels):
        raise DeviceUnavailable(f"GPU_DEVICES={part}: this host has {len(found[best].labels)} {best} device(s)")
    return DeviceName(best, int(part))


def _reasons(found: Probes) -> str:
    return "; ".join(f"{backend}: {found[backend].reason}" for backend in ACCELERATORS)


def _probe_once_a_start(state_dir: Path) -> Probes:
    """The processes of one start share one probe: importing torch in each would take seconds and gigabytes."""
    state_dir.mkdir(parents=True, exist_ok=True)
    answers, start = state_dir / "devices.json", this_start()
    with FileLock(state_dir / "devices.lock"):
        try:
            stored = json.loads(answers.read_text(encoding="utf-8"))
            if stored["start"] == start:
                return {probe["backend"]: Probe(**probe) for probe in stored["probes"]}
        except (OSError, ValueError, KeyError, TypeError):
            pass  # none yet, or another version's
        found = probe_backends(*ACCELERATORS)
        probes = [asdict(probe) for probe in found.values()]
        answers.write_text(json.dumps({"start": start, "probes": probes}), encoding="utf-8")
        return found
