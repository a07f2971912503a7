"""What the demo's Redis says of itself: there is none, so it is made up of what it would have to keep."""

from collections import deque

from monitor.core.server_view import KeyKind, ServerView
from monitor.core.snapshot import Snapshot

#: The readings that a trend shows.
TREND = 60

#: The bytes of a waiting task, a result and a worker's record.
TASK_BYTES, RESULT_BYTES, RECORD_BYTES = 2_400, 1_100, 1_500

#: Results are kept for an hour, at the demo's pace.
RESULTS = 142_000

MIB = 2**20


class DemoServer:
    """Follows the demo from reading to reading."""

    def __init__(self) -> None:
        self._commands: deque[float] = deque(maxlen=TREND)
        self._answers: deque[float] = deque(maxlen=TREND)

    def view(self, snapshot: Snapshot, up_seconds: float) -> ServerView:
        """The server as it would be."""
        done = snapshot.trends.done_per_minute or 0.0
        waiting = sum(lane.ready + lane.running for lane in snapshot.lanes)
        kinds = _kinds(waiting, len(snapshot.workers), sum(lane.dead for lane in snapshot.lanes))
        used = (snapshot.redis.memory_used if snapshot.redis else 0) + sum(kind.bytes or 0 for kind in kinds)
        commands = int(14 * done / 60 + 40 * len(snapshot.workers) / 2)
        self._commands.append(float(commands))
        self._answers.append(0.6 + waiting / 2_000)
        return ServerView(
            version="7.4.5",
            role="master",
            uptime_seconds=int(12 * 86_400 + up_seconds),
            memory_used=used,
            memory_peak=used + 96 * MIB,
            memory_rss=int(1.1 * used),
            memory_max=snapshot.redis.memory_max if snapshot.redis else 0,
            fragmentation=1.1,
            policy="noeviction",
            evicted=0,
            expired=int(90_000 + 24 * up_seconds),
            clients=5 * len(snapshot.workers) + 9,
            clients_blocked=0,
            clients_max=10_000,
            clients_rejected=0,
            commands_per_second=commands,
            kib_in_per_second=0.4 * commands,
            kib_out_per_second=0.7 * commands,
            has_log=True,
            picture_age_seconds=up_seconds % 300,
            picture_changes=int(commands * (up_seconds % 300) / 3),
            databases=(("db0", sum(kind.keys for kind in kinds), len(snapshot.workers)), ("db1", RESULTS, RESULTS)),
            slowest=(("eval", 0.9 + waiting / 4_000), ("mget", 0.4), ("xrevrange", 0.1)),
            answer_ms=self._answers[-1],
            commands_trend=tuple(self._commands),
            answer_trend=tuple(self._answers),
            kinds=kinds,
            counted_percent=100,
        )


def _kinds(waiting: int, workers: int, dead: int) -> tuple[KeyKind, ...]:
    """The queues' own database; a lane's messages are one key, so that keys are few."""
    found = (
        KeyKind("messages", 15, waiting * TASK_BYTES),
        KeyKind("worker records", workers, workers * RECORD_BYTES),
        KeyKind("dead letters", 1 if dead else 0, dead * 9_000),
        KeyKind("lists of messages", 15, waiting * 64),
        KeyKind("service times", 5, 5 * 160),
    )
    return tuple(sorted((kind for kind in found if kind.keys), key=lambda kind: -(kind.bytes or 0)))
