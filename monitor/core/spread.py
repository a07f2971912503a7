"""How durations are spread: their median and what 95 of 100 stay below, with what that is based on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from monitor.core.formatting import format_age, format_count


@dataclass(frozen=True)
class Spread:
    """Two percentiles of `count` durations, which were collected for `window_seconds`."""

    p50_seconds: float
    p95_seconds: float
    count: int
    window_seconds: float


@dataclass(frozen=True)
class Waits:
    """The percentiles at one moment; `None` and no entry are what nothing was seen of."""

    waited: Spread | None = None
    """How long the first tasks of all lanes had waited at each look."""
    waited_in: dict[str, Spread] = field(default_factory=dict)
    """The same of each lane."""
    in_hand: Spread | None = None
    """How long tasks were in the hands of workers."""


def spread_of(durations_seconds: Sequence[float], window_seconds: float) -> Spread | None:
    """The percentiles; None when there is nothing to tell them from."""
    if not durations_seconds:
        return None
    ordered = sorted(durations_seconds)
    return Spread(percentile(ordered, 50), percentile(ordered, 95), len(ordered), window_seconds)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The least of the ordered values that so many of a hundred do not exceed: one of them, never one in between."""
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def format_spread(spread: Spread) -> str:
    """p50 12s p95 41s (n 120, 10m00s)"""
    basis = f"n {format_count(spread.count)}, {format_age(spread.window_seconds)}"
    return f"p50 {format_age(spread.p50_seconds)} p95 {format_age(spread.p95_seconds)} ({basis})"


def format_percentiles(spread: Spread) -> str:
    """12s/41s (120)"""
    return f"{format_age(spread.p50_seconds)}/{format_age(spread.p95_seconds)} ({format_count(spread.count)})"
