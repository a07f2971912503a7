"""Ids that messages are stored under in Redis: they sort by time, and a list's head tells its age without its body."""

import secrets
import time

#: Hexadecimal digits of milliseconds, and of randomness.
TIME_DIGITS, RANDOM_DIGITS = 12, 20


def sortable_id(delay_ms: int = 0) -> str:
    """48 bits of milliseconds, of now or of a moment to come, and 80 random bits in hexadecimal."""
    at_ms = max(0, time.time_ns() // 1_000_000 + int(delay_ms))
    return f"{at_ms:0{TIME_DIGITS}x}{secrets.token_hex(RANDOM_DIGITS // 2)}"


def sent_at(redis_id: str) -> float | None:
    """When an id was made, in seconds since the epoch; None for one of another kind, such as plain Dramatiq's."""
    if len(redis_id) != TIME_DIGITS + RANDOM_DIGITS:
        return None
    try:
        return int(redis_id[:TIME_DIGITS], 16) / 1000
    except ValueError:
        return None
