"""Tells a device that ends its processes from tasks that do: a pure function of the latest deaths."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

#: So many processes in a row must have died on a device.
DEATHS = 3

#: And within this time: a stuck process takes minutes to end, and a large model minutes to load.
WINDOW_SECONDS = 3600.0


@dataclass(frozen=True)
class Death:
    """A process that ended on a device with tasks in hand."""

    worker_id: str
    at: float
    """Seconds since the epoch."""
    tasks: Collection[str]


def latest(deaths: Sequence[Death]) -> list[Death]:
    """Those that count, oldest first."""
    return sorted(deaths, key=lambda death: death.at)[-DEATHS:]


def is_device_at_fault(deaths: Sequence[Death]) -> bool:
    """Whether the latest deaths came soon after one another and had no task in common.

    A task that ends its process is in each of its deaths, however many others it takes along.
    """
    counted = latest(deaths)
    if len(counted) < DEATHS or counted[-1].at - counted[0].at > WINDOW_SECONDS:
        return False
    return not set.intersection(*(set(death.tasks) for death in counted))
