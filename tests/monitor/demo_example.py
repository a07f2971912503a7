"""The demo at the moment when most is wrong."""

from functools import cache

from monitor.core.demo.cluster import DemoSource
from monitor.core.snapshot import Snapshot

AT = 1_767_268_800.0


@cache
def demo_snapshot(seconds: float = 400.0) -> Snapshot:
    """The demo's reading after so many seconds, at noon of 2026-01-01 UTC."""
    return DemoSource(lambda: AT, head_start_seconds=seconds).read()
