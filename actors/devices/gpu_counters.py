"""The performance counters behind the Task Manager's page of GPUs, through pywin32."""

import importlib
import re
import threading
from collections.abc import Mapping
from typing import Any

#: `pid_4711_luid_0x00000000_0x0000D1A3_phys_0_eng_3_engtype_Compute_0`, one for each process and engine.
_ENGINE = re.compile(r"pid_\d+_(?P<luid>luid_0x[0-9a-f]+_0x[0-9a-f]+)_(?P<engine>phys_.*)", re.IGNORECASE)


def bytes_of_adapter(instances: Mapping[str, float], identity: str) -> int | None:
    """The bytes of one adapter; linked cards are its further `phys` instances. None when it is not counted."""
    parts = [value for name, value in instances.items() if name.lower().startswith(f"{identity.lower()}_phys_")]
    return int(sum(parts)) if parts else None


def bytes_of_process(instances: Mapping[str, float], identity: str, pid: int) -> int | None:
    """The bytes of one process on one adapter, from instances like `pid_4711_luid_0x00000000_0x0000D1A3_phys_0`."""
    return bytes_of_adapter(instances, f"pid_{pid}_{identity}")


def busy_percent_of_adapter(instances: Mapping[str, float], identity: str) -> float | None:
    """How busy its busiest engine is, all processes together, as the Task Manager shows it."""
    engines: dict[str, float] = {}
    for name, value in instances.items():
        if (match := _ENGINE.fullmatch(name)) and match["luid"].lower() == identity.lower():
            engines[match["engine"]] = engines.get(match["engine"], 0.0) + value
    return min(100.0, max(engines.values())) if engines else None


class Counter:
    """One counter of all GPUs; each has a query of its own, because a rate is that since the query's last reading."""

    def __init__(self, pdh: Any, path: str, value_format: int) -> None:
        self._pdh, self._format, self._mutex = pdh, value_format, threading.Lock()
        self._read_all = pdh.GetFormattedCounterArray
        self._query = pdh.OpenQuery()
        # By its English name: the counters' names are translated.
        self._counter = pdh.AddEnglishCounter(self._query, path)

    def instances(self) -> dict[str, float]:
        """Each instance's value; none while a rate has only been read once."""
        with self._mutex:
            try:
                self._pdh.CollectQueryData(self._query)
                return dict(self._read_all(self._counter, self._format))
            except self._pdh.error:
                return {}


class GpuCounters:
    """What the counters tell of one adapter."""

    def __init__(self, pdh: Any, identity: str) -> None:
        self._identity = identity
        self._dedicated = Counter(pdh, r"\GPU Adapter Memory(*)\Dedicated Usage", pdh.PDH_FMT_LARGE)
        self._shared = Counter(pdh, r"\GPU Adapter Memory(*)\Shared Usage", pdh.PDH_FMT_LARGE)
        self._of_processes = Counter(pdh, r"\GPU Process Memory(*)\Dedicated Usage", pdh.PDH_FMT_LARGE)
        self._busy = Counter(pdh, r"\GPU Engine(*)\Utilization Percentage", pdh.PDH_FMT_DOUBLE)

    def dedicated_bytes(self) -> int | None:
        return bytes_of_adapter(self._dedicated.instances(), self._identity)

    def shared_bytes(self) -> int | None:
        return bytes_of_adapter(self._shared.instances(), self._identity)

    def process_bytes(self, pid: int) -> int | None:
        """Dedicated ones."""
        return bytes_of_process(self._of_processes.instances(), self._identity, pid)

    def busy_percent(self) -> float | None:
        return busy_percent_of_adapter(self._busy.instances(), self._identity)


def open_counters(identity: str) -> GpuCounters | None:
    """The counters of one adapter; None without pywin32, or on a Windows that has none."""
    try:
        pdh = importlib.import_module("win32pdh")
    except ImportError:
        return None
    try:
        return GpuCounters(pdh, identity)
    except (AttributeError, pdh.error):  # a pywin32 whose functions are named otherwise is as good as none
        return None
