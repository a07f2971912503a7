"""Whether and when a failed task is tried again: a pure function of the error and of the failures before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from dramatiq.common import compute_backoff

from actors.errors import DeviceOutOfMemory, TransientError

#: The message option with a line for each attempt that failed, oldest first.
OPTION = "retry_reasons"

#: How often a task that failed for a passing reason is tried again.
MAX_RETRIES = 3

#: The pauses double from the first to the longest; chance makes each up to twice as long. Dramatiq's options of an
#: actor or a message, `min_backoff` and `max_backoff`, say otherwise.
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 1_000, 30_000

#: A full device has room again as soon as its other tasks have ended, or never.
OUT_OF_MEMORY_PAUSE_MS = 500

#: The most characters of one line.
MAX_REASON = 300


@dataclass(frozen=True)
class Retry:
    """Try again after a pause."""

    delay_ms: int
    is_better_elsewhere: bool
    """Whether the reason is likely to be with this worker still."""


@dataclass(frozen=True)
class Pauses:
    """The bounds of the pauses before further attempts."""

    first_ms: int = FIRST_PAUSE_MS
    longest_ms: int = LONGEST_PAUSE_MS

    @classmethod
    def of(cls, *options: Mapping[str, Any]) -> Self:
        """The bounds that the first of several sets of options says, in as far as it does."""

        def chosen(name: str, default: int) -> int:
            return next((ms for ms in (each.get(name) for each in options) if type(ms) is int and ms > 0), default)

        longest_ms = chosen("max_backoff", LONGEST_PAUSE_MS)
        return cls(chosen("min_backoff", FIRST_PAUSE_MS), min(longest_ms, LONGEST_PAUSE_MS))


def choose_retry(error: BaseException, reasons: Sequence[str], pauses: Pauses = Pauses()) -> Retry | None:
    """The next attempt after `error`, when there is to be one; `reasons` are those of the attempts before."""
    if not isinstance(error, TransientError) or len(reasons) >= MAX_RETRIES:
        return None
    if isinstance(error, DeviceOutOfMemory):
        return None if any(map(_is_out_of_memory, reasons)) else Retry(OUT_OF_MEMORY_PAUSE_MS, False)
    _, pause_ms = compute_backoff(len(reasons), factor=pauses.first_ms, max_backoff=pauses.longest_ms)
    return Retry(pause_ms, True)


def reasons_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Why a message's earlier attempts failed; anything else that its sender wrote there counts as none."""
    reasons = options.get(OPTION)
    if not isinstance(reasons, list) or not all(isinstance(reason, str) for reason in reasons):
        return ()
    return tuple(reasons)


def options_after(error: BaseException, reasons: Sequence[str]) -> dict[str, Any]:
    """What the next attempt's message says of this one; `retries` is Dramatiq's name for their number."""
    return {OPTION: [*reasons, _reason(error)], "retries": len(reasons) + 1}


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:MAX_REASON]


def _is_out_of_memory(reason: str) -> bool:
    return reason.startswith(f"{DeviceOutOfMemory.__name__}:")
