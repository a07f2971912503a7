"""Where snapshots come from: two round trips to Redis, whatever the number of workers and queues."""

from dataclasses import replace
from typing import Protocol

import redis

from monitor.core.address import shown_address
from monitor.core.formatting import printable
from monitor.core.snapshot import Snapshot, WorkerView, judge_liveness
from settings import connections, keys
from settings.config import Settings
from settings.explanation import Explanation
from settings.local_redis import find_redis_url
from settings.queue_counts import ask_counts, read_counts
from settings.records import readable_worker
from settings.sought_task import SoughtTask
from settings.task_finder import TaskFinder

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


class SourceUnavailable(Exception):
    """Nothing can be read; the text says why, without secrets."""


class RedisSource:
    """Reads the cluster from Redis."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connections.queue_client(settings, connections.MONITOR)
        self._results = connections.result_client(settings, connections.MONITOR)
        self._finder = TaskFinder(self._client, self._results)
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
            return replace(self._latest, error=self._complaint(error))
        return self._latest

    def explain(self, message_id: str) -> Explanation:
        """Where a task is and why it waits.

        Raises:
          SourceUnavailable: When Redis does not answer.
        """
        try:
            return self._finder.explain(SoughtTask(message_id))
        except (redis.RedisError, OSError, ValueError) as error:
            raise SourceUnavailable(self._complaint(error)) from error

    def close(self) -> None:
        """Gives the connections back."""
        self._client.close()
        self._results.close()

    def _fetch(self) -> Snapshot:
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.zrange(keys.WORKERS, 0, -1, withscores=True)
            pipeline.smembers(keys.QUEUES)
            pipeline.smembers(keys.LANES)
            (seconds, microseconds), beats, queues, lanes = pipeline.execute()
            now = seconds + microseconds / 1e6
            ages = {_text(worker): max(0.0, now - beat) for worker, beat in beats}
            names = sorted(OWN_QUEUES.union(map(_text, queues)))
            lists = [*names, *sorted(map(_text, lanes))]
            # MGET wants at least one key; the set of workers itself stands in, and MGET answers nil for no string.
            pipeline.mget([keys.WORKERS, *map(keys.worker, ages)])
            ask_counts(pipeline, lists)
            records, *counts = pipeline.execute()
        return Snapshot(now, read_counts(names, lists, counts), _worker_views(ages, records[1:]))

    def _complaint(self, error: Exception) -> str:
        if isinstance(error, redis.AuthenticationError | redis.ResponseError):
            return f"Redis at {self.address} refuses: {printable(str(error))}"
        return f"Redis does not answer at {self.address}"


def _text(name: bytes) -> str:
    return name.decode(errors="replace")


def _worker_views(ages: dict[str, float], records: list[bytes | None]) -> tuple[WorkerView, ...]:
    views = (
        WorkerView(worker_id, judge_liveness(age, text is not None), age, readable_worker(text))
        for (worker_id, age), text in zip(ages.items(), records, strict=True)
    )
    return tuple(view for view in views if view.liveness != "lost" or view.age_seconds < LOST_FOR_SECONDS)
