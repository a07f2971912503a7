"""Which model makes room: the one that is the cheapest to lose. Pure: no device, no clock."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

#: A model that was read in no measurable time still costs something; a brief one is no free one.
LEAST_LOAD_SECONDS = 0.01

#: Two uses within a second are the same moment.
LEAST_AGE_SECONDS = 1.0


class Evictable(Protocol):
    """What is known of a model in memory."""

    footprint: int
    load_seconds: float
    last_used_at: float


Model = TypeVar("Model", bound=Evictable)


def worth(model: Evictable, now: float) -> float:
    """Seconds of loading that a byte of this model's memory saves, less the longer it has not been used."""
    age = max(LEAST_AGE_SECONDS, now - model.last_used_at)
    return max(LEAST_LOAD_SECONDS, model.load_seconds) / age / max(1, model.footprint)


def choose_victim(models: Iterable[Model], now: float) -> Model | None:
    """The model of the least worth, of equals the first; None when there is none."""
    return min(models, key=lambda model: worth(model, now), default=None)
