"""A row of numbers as a row of bars."""

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], cells: int, least_top: float) -> str:
    """The latest `cells` values on a scale from 0 to their greatest, which is `least_top` or more.

    A scale of their own least and greatest would show noise as mountains.
    """
    shown = values[-cells:]
    top = max([least_top, *shown])
    return "".join(_BARS[min(7, max(0, int(8 * value / top)))] for value in shown)
