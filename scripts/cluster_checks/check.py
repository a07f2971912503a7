"""The outcome of one check."""

from dataclasses import dataclass
from typing import Literal

#: skipped: it could not be told; warning: it works, and somebody should look.
Status = Literal["ok", "warning", "skipped", "failed"]


@dataclass(frozen=True)
class Check:
    """What was checked, how it is, and how to mend it."""

    name: str
    status: Status
    detail: str
    mend: str | None = None
