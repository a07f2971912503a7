"""What is known of a cluster that has not answered for a while: the same, but older."""

from dataclasses import replace

from monitor.core.snapshot import LaneView, Snapshot


def aged(snapshot: Snapshot, seconds: float) -> Snapshot:
    """The reading with all ages so many seconds higher; what it says of workers and lanes stays."""
    if snapshot.at is None or seconds <= 0:
        return snapshot
    return replace(
        snapshot,
        at=snapshot.at + seconds,
        lanes=tuple(_aged_lane(lane, seconds) for lane in snapshot.lanes),
    )


def _aged_lane(lane: LaneView, seconds: float) -> LaneView:
    return lane if lane.oldest_seconds is None else replace(lane, oldest_seconds=lane.oldest_seconds + seconds)
