"""Text for a terminal: numbers with units, and strings of others made harmless and cut to width."""

import math
import unicodedata
from collections.abc import Mapping

#: Shown for what nobody can tell; never a zero.
ABSENT = "-"

#: More of a string than any column shows.
MOST_CHARACTERS = 300

#: Of a line that names what was called how often.
MOST_NAMES = 5

GIB = 2**30


def printable(text: str) -> str:
    """The text on one line, with `·` for each character that a terminal would obey or that has no width of its own."""
    text = text[:MOST_CHARACTERS]
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character.isprintable() and unicodedata.category(character)[0] != "M" else "·"
        for character in unicodedata.normalize("NFC", text)
    )


def cell_width(text: str) -> int:
    """How many cells of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, width: int, *, right: bool = False) -> str:
    """The text in exactly `width` cells: padded, or cut with an ellipsis."""
    if (spare := width - cell_width(text)) < 0:
        text = _cut(text, width - 1) + "…" if width > 0 else ""
        spare = width - cell_width(text)
    return " " * spare + text if right else text + " " * spare


def _cut(text: str, width: int) -> str:
    used = 0
    for index, character in enumerate(text):
        used += _character_width(character)
        if used > width:
            return text[:index]
    return text


def format_count(number: int) -> str:
    """1,204"""
    return f"{number:,}"


def format_calls(calls: Mapping[str, int]) -> str:
    """aten::roll 1,204 times, aten::lerp.Scalar_out 3 times: the most frequent first, and no more than fit a line."""
    names = sorted(calls, key=lambda name: (-calls[name], name))
    shown = ", ".join(f"{name} {format_count(calls[name])} times" for name in names[:MOST_NAMES])
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown


def format_memory(used: int | None, total: int | None) -> str:
    """19.8/24.0 GiB, without a decimal from 100 on."""
    if used is None and total is None:
        return ABSENT
    return f"{_gibibytes(used)}/{_gibibytes(total)} GiB"


def _gibibytes(size: int | None) -> str:
    # Whole numbers throughout: a float would overflow on what a broken record may say.
    if size is None:
        return ABSENT
    tenths = (size * 10 + GIB // 2) // GIB
    return str(tenths // 10) if tenths >= 1000 else f"{tenths // 10}.{tenths % 10}"


def format_share(used: int | None, total: int | None) -> str:
    """83%"""
    return ABSENT if used is None or not total else f"{100 * used // total}%"


def format_percent(percent: float | None) -> str:
    """97%"""
    return ABSENT if percent is None or not math.isfinite(percent) else f"{percent:.0f}%"


def format_celsius(degrees: float | None) -> str:
    """61°C"""
    return ABSENT if degrees is None or not math.isfinite(degrees) else f"{degrees:.0f}°C"


def format_age(seconds: float) -> str:
    """8s, 3m12s, 2h05m or 4d03h: the two units that matter."""
    if not math.isfinite(seconds):
        return ABSENT
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d{hour:02}h"
    if hours:
        return f"{hours}h{minute:02}m"
    return f"{minutes}m{second:02}s" if minutes else f"{second}s"


def format_bytes(size: int) -> str:
    """19.8 GiB, or 12 MiB for less than one."""
    return f"{_gibibytes(size)} GiB" if size >= GIB else f"{size * 1024 // GIB} MiB"
