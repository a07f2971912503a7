"""A row of numbers as a row of bars."""

import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def scale_top(values: Sequence[float], least: float) -> float:
    """The top of a scale from 0: 1, 2 or 5 times a power of ten, so that it stays while the values move a little.

    Args:
      least: The top is no lower, however small the values are; a scale of their own would show noise as mountains.
    """
    greatest = max((value for value in values if math.isfinite(value)), default=0.0)
    if greatest <= least:
        return least
    power = 10.0 ** math.floor(math.log10(greatest))
    return next((step * power for step in (1, 2, 5) if step * power >= greatest), 10 * power)


def sparkline(values: Sequence[float], cells: int, top: float) -> str:
    """The latest `cells` values on a scale from 0 to `top`."""
    return "".join(_bar(value / top) for value in values[-cells:])


def _bar(share: float) -> str:
    return _BARS[min(7, max(0, int(8 * share)))] if math.isfinite(share) else _BARS[0]
