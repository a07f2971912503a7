"""What Redis says of itself, as frozen values; `None` is what it does not tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KeyKind:
    """The keys of one kind, and the memory that they take by a few that were measured."""

    name: str
    keys: int
    bytes: int | None = None


@dataclass(frozen=True)
class ServerView:
    """A Redis at one moment."""

    version: str = ""
    role: str = ""
    uptime_seconds: int | None = None
    memory_used: int | None = None
    memory_peak: int | None = None
    memory_rss: int | None = None
    memory_max: int | None = None
    fragmentation: float | None = None
    policy: str = ""
    evicted: int | None = None
    expired: int | None = None
    clients: int | None = None
    clients_blocked: int | None = None
    clients_max: int | None = None
    clients_rejected: int | None = None
    commands_per_second: int | None = None
    kib_in_per_second: float | None = None
    kib_out_per_second: float | None = None
    is_loading: bool = False
    has_log: bool | None = None
    """Whether it appends each write to a file."""
    is_log_written: bool = True
    is_picture_written: bool = True
    """Whether the last picture of all its memory was written."""
    picture_age_seconds: float | None = None
    picture_changes: int | None = None
    """Writes since then."""
    databases: tuple[tuple[str, int, int], ...] = ()
    """The name of each, its keys, and how many of these expire."""
    slowest: tuple[tuple[str, float], ...] = ()
    """The commands with the longest times of a hundredth of their calls, and these in milliseconds."""
    answer_ms: float | None = None
    """How long the monitor's first question took."""
    commands_trend: tuple[float, ...] = ()
    """Of the last readings, the newest at the end."""
    answer_trend: tuple[float, ...] = ()
    kinds: tuple[KeyKind, ...] = ()
    counted_percent: int | None = None
    """How many of the keys the kinds were counted from."""


#: Commands that are shown by their latency.
MOST_SLOWEST = 3


def parse_server(info: Mapping[str, Any], latency: Mapping[str, Any], now: float) -> ServerView:
    """Reads the answers to INFO and INFO latencystats; what is no number there counts as not told."""
    saved_at = _number(info, "rdb_last_save_time")
    return ServerView(
        version=str(info.get("redis_version", "")),
        role=str(info.get("role", "")),
        uptime_seconds=_count(info, "uptime_in_seconds"),
        memory_used=_count(info, "used_memory"),
        memory_peak=_count(info, "used_memory_peak"),
        memory_rss=_count(info, "used_memory_rss"),
        memory_max=_count(info, "maxmemory"),
        fragmentation=_number(info, "mem_fragmentation_ratio"),
        policy=str(info.get("maxmemory_policy", "")),
        evicted=_count(info, "evicted_keys"),
        expired=_count(info, "expired_keys"),
        clients=_count(info, "connected_clients"),
        clients_blocked=_count(info, "blocked_clients"),
        clients_max=_count(info, "maxclients"),
        clients_rejected=_count(info, "rejected_connections"),
        commands_per_second=_count(info, "instantaneous_ops_per_sec"),
        kib_in_per_second=_number(info, "instantaneous_input_kbps"),
        kib_out_per_second=_number(info, "instantaneous_output_kbps"),
        is_loading=bool(_count(info, "loading")),
        has_log=None if (log := _count(info, "aof_enabled")) is None else bool(log),
        is_log_written=info.get("aof_last_write_status", "ok") == "ok",
        is_picture_written=info.get("rdb_last_bgsave_status", "ok") == "ok",
        picture_age_seconds=None if saved_at is None else max(0.0, now - saved_at),
        picture_changes=_count(info, "rdb_changes_since_last_save"),
        databases=_databases(info),
        slowest=_slowest(latency),
    )


def _number(info: Mapping[str, Any], name: str) -> float | None:
    value = info.get(name)
    return float(value) if isinstance(value, int | float) else None


def _count(info: Mapping[str, Any], name: str) -> int | None:
    value = info.get(name)
    return value if isinstance(value, int) else None


def _databases(info: Mapping[str, Any]) -> tuple[tuple[str, int, int], ...]:
    return tuple(
        (name, _count(told, "keys") or 0, _count(told, "expires") or 0)
        for name, told in info.items()
        if name.startswith("db") and name[2:].isdigit() and isinstance(told, Mapping)
    )


def _slowest(latency: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    prefix = "latency_percentiles_usec_"
    told = (
        (name.removeprefix(prefix), (_number(row, "p99") or 0.0) / 1000)
        for name, row in latency.items()
        if name.startswith(prefix) and isinstance(row, Mapping)
    )
    return tuple(sorted(told, key=lambda command: -command[1])[:MOST_SLOWEST])
