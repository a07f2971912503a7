"""Waiting for a condition instead of sleeping."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], description: str, timeout_seconds: float = 30.0) -> None:
    """Returns as soon as `condition` holds; fails the test with `description` when it does not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_seconds:g} s: {description}")
        time.sleep(0.02)
