"""Something that an operator should look at, in a plain sentence with the cause and what to do."""

from dataclasses import dataclass
from typing import Literal

#: bad: work is lost or stands still; warn: it soon may.
Severity = Literal["bad", "warn"]

#: The kinds in the order of their weight.
KINDS = (
    *("redis", "unserved", "lost", "quarantine", "dead", "stuck"),
    *("late", "passive", "paused", "growing", "thrash", "memory", "leak", "clock", "version"),
)


@dataclass(frozen=True)
class Trouble:
    """Something that needs a look: `about` is the worker, lane or model that it is about."""

    severity: Severity
    kind: str
    about: str
    text: str
    others: int = 0
    """How many more of its kind it stands for; it tells of these alone then."""
