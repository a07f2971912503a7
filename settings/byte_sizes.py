"""Sizes in words."""

_UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def format_bytes(size: int) -> str:
    """4.1 GB, 612.0 MB or 8 bytes."""
    # Whole numbers throughout: a float would overflow on what a broken record may say.
    for unit, factor in _UNITS:
        if size >= factor:
            tenths = (size * 10 + factor // 2) // factor
            return f"{tenths // 10}.{tenths % 10} {unit}"
    return f"{size} bytes"
