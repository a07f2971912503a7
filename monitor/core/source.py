"""Where snapshots come from: two round trips to Redis, whatever the number of workers and queues."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

import redis
from pydantic import ValidationError
from redis.client import Pipeline

from monitor.core.address import shown_address
from monitor.core.formatting import printable
from monitor.core.snapshot import Snapshot, WorkerView, judge_liveness
from settings import connections, keys
from settings.config import Settings
from settings.local_redis import find_redis_url
from settings.records import RECORD_VERSION, QueueCounts, WorkerRecord

#: Seconds after its last beat for which a worker without a record is shown as lost; then it is history.
LOST_FOR_SECONDS = 3600.0

#: The queues that are shown before any worker has told of others.
OWN_QUEUES = frozenset({keys.INFERENCE_QUEUE, keys.CONTROL_QUEUE})


class Source(Protocol):
    """Gives readings of a cluster."""

    @property
    def address(self) -> str:
        """Where the readings come from, without secrets."""

    def read(self) -> Snapshot:
        """Takes a reading; a failure to do so is told in the snapshot."""


class RedisSource:
    """Reads the cluster from Redis."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connections.queue_client(settings, connections.MONITOR)
        self._latest = Snapshot()

    @property
    def address(self) -> str:
        """HOST:PORT of the Redis that is read."""
        return shown_address(find_redis_url(self._settings))

    def read(self) -> Snapshot:
        """Takes a reading; without an answer it is the previous one with the error."""
        try:
            self._latest = self._fetch()
        except (redis.RedisError, OSError, ValueError) as error:  # ValueError: a URL that redis-py cannot parse
            return replace(self._latest, error=self._explain(error))
        return self._latest

    def close(self) -> None:
        """Gives the connection back."""
        self._client.close()

    def _fetch(self) -> Snapshot:
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.zrange(keys.WORKERS, 0, -1, withscores=True)
            pipeline.smembers(keys.QUEUES)
            (seconds, microseconds), beats, queues = pipeline.execute()
            now = seconds + microseconds / 1e6
            ages = {_text(worker): max(0.0, now - beat) for worker, beat in beats}
            names = sorted(OWN_QUEUES.union(map(_text, queues)))
            _ask_details(pipeline, ages, names)
            records, *counts = pipeline.execute()
        return Snapshot(now, _queue_counts(names, counts), _worker_views(ages, records[1:]))

    def _explain(self, error: Exception) -> str:
        if isinstance(error, redis.AuthenticationError | redis.ResponseError):
            return f"Redis at {self.address} refuses: {printable(str(error))}"
        return f"Redis does not answer at {self.address}"


def _text(name: bytes) -> str:
    return name.decode(errors="replace")


def _ask_details(pipeline: Pipeline, worker_ids: Iterable[str], queues: Iterable[str]) -> None:
    # MGET wants at least one key; the set of workers itself stands in, and MGET answers nil for what is not a string.
    pipeline.mget([keys.WORKERS, *map(keys.worker, worker_ids)])
    for queue in queues:
        pipeline.llen(keys.ready(queue))
        pipeline.hlen(keys.bodies(queue))
        pipeline.hlen(keys.delayed_bodies(queue))
        pipeline.zcard(keys.dead(queue))


def _queue_counts(names: list[str], counts: list[int]) -> tuple[QueueCounts, ...]:
    """The counts of each queue, of which `counts` holds four in the order in which they were asked for."""
    by_queue = zip(names, *(iter(counts),) * 4, strict=True)
    return tuple(
        # A message that is taken between the two counts would make the difference negative.
        QueueCounts(queue=name, ready=ready, running=max(0, bodies - ready), delayed=delayed, dead=dead)
        for name, ready, bodies, delayed, dead in by_queue
    )


def _worker_views(ages: dict[str, float], records: list[bytes | None]) -> tuple[WorkerView, ...]:
    views = (
        WorkerView(worker_id, judge_liveness(age, text is not None), age, _parse(text))
        for (worker_id, age), text in zip(ages.items(), records, strict=True)
    )
    return tuple(view for view in views if view.liveness != "lost" or view.age_seconds < LOST_FOR_SECONDS)


def _parse(text: bytes | None) -> WorkerRecord | None:
    """The record, or `None` for one of another version or shape."""
    try:
        record = WorkerRecord.from_json(text or b"")
    except ValidationError:
        return None
    return record if record.version == RECORD_VERSION else None
