"""Something that has happened in a cluster."""

from dataclasses import dataclass
from typing import Literal

#: came, left: a worker began, said goodbye; back: one that was late or lost beats again; released: from quarantine.
EventKind = Literal["came", "left", "late", "lost", "back", "quarantine", "released", "loaded", "unloaded", "dead"]


@dataclass(frozen=True)
class Event:
    """One change between two readings, or several of a kind, told by Redis' clock."""

    at: float
    kind: EventKind
    about: str
    """The worker, model or lane."""
    more: str = ""
