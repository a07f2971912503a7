"""How long a model stays in memory after its last use, written as Ollama writes it."""

import math
import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_DURATION = re.compile(rf"([+-]?)((?:{_PART.pattern})+)")
_SECONDS = re.compile(r"[+-]?\d{1,15}(?:\.\d{0,9})?")

#: What is written in place of a number when a model stays until its room is needed.
FOR_EVER = math.inf


def keep_alive_seconds(value: object) -> float:
    """Seconds after a model's last use; infinite for any negative duration.

    >>> keep_alive_seconds("1h30m"), keep_alive_seconds(0), keep_alive_seconds("-1")
    (5400.0, 0.0, inf)

    Raises:
      ValueError: When it is no duration, with what is allowed.
    """
    seconds = _seconds(value)
    if seconds is None or math.isnan(seconds):
        raise ValueError(
            f"keep_alive={value!r:.60}: allowed are seconds such as 300, durations such as 10m, 24h or 1h30m, "
            "0 (unload after use) and -1 (keep until the room is needed)"
        )
    return FOR_EVER if seconds < 0 else seconds


def _seconds(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(min(max(value, -1), 10**12))
    if not isinstance(value, str) or len(value) > 40:
        return None
    if _SECONDS.fullmatch(value):
        return float(value)
    if not (duration := _DURATION.fullmatch(value)):
        return None
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(duration[2]))
    return -total if duration[1] == "-" else total
