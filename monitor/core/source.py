"""Where snapshots come from: two round trips to Redis, whatever the number of workers and queues."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

import redis

from monitor.core.address import shown_address
from monitor.core.audit import ask_audit, read_audit
from monitor.core.formatting import printable
from monitor.core.known_workers import KnownWorkers, read_beats
from monitor.core.lane_reading import ask_lanes, read_lanes, read_queues
from monitor.core.observer import Observer
from monitor.core.page_reading import PageReading
from monitor.core.snapshot import RedisView, Snapshot
from settings import connections, keys
from settings.config import Settings
from settings.explanation import Explanation
from settings.local_redis import find_redis_url
from settings.sought_task import SoughtTask
from settings.task_finder import TaskFinder

#: Redis is asked about itself at each of so many readings; that text is long and changes slowly.
READINGS_PER_INFO = 10

#: The queues that are shown before any worker has told of others.
OWN_QUEUES = frozenset({keys.INFERENCE_QUEUE, keys.CONTROL_QUEUE})

#: What the names of the workers' records begin with.
_WORKER = keys.worker("").encode()


#: What readings are: of a cluster now, kept or no longer kept besides, of a simulation, or of a recording, to its end.
SourceState = Literal["live", "recording", "not recording", "demo", "replay", "ended"]


class Source(Protocol):
    """Gives readings of a cluster."""

    @property
    def address(self) -> str:
        """Where the readings come from, without secrets."""

    @property
    def state(self) -> SourceState:
        """What the readings are."""

    def watch(self, page: str, about: str = "") -> None:
        """Which page is open, and of what if it is about one thing; what only it shows is read while it is open."""

    def read(self) -> Snapshot:
        """Takes a reading; a failure to do so is told in the snapshot."""


class SourceUnavailable(Exception):
    """Nothing can be read; the text says why, without secrets."""


class RedisSource:
    """Reads the cluster from Redis."""

    state: SourceState = "live"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connections.queue_client(settings, connections.MONITOR)
        self._results = connections.result_client(settings, connections.MONITOR)
        self._finder = TaskFinder(self._client, self._results)
        self._latest = Snapshot()
        self._workers, self._observer = KnownWorkers(), Observer()
        self._page = PageReading("")
        self._redis: RedisView | None = None
        self._readings = 0

    @property
    def address(self) -> str:
        """HOST:PORT of the Redis that is read."""
        return shown_address(find_redis_url(self._settings))

    def watch(self, page: str, about: str = "") -> None:
        """Which page is open; a page that is opened again begins anew."""
        if (page, about) != (self._page.page, self._page.about):
            self._page = PageReading(page, about)

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
        page = self._page
        with self._client.pipeline(transaction=False) as pipeline:
            own = self._ask_all(pipeline)
            page.ask(pipeline)
            began = time.perf_counter()
            answers = pipeline.execute(raise_on_error=False)
            (seconds, microseconds), told, queues, lanes, stops, audit, *about = _untroubled(answers[:own])
            beats = read_beats(told)
            now = seconds + microseconds / 1e6
            page.take(answers[own:], now, time.perf_counter() - began)
            names = sorted(OWN_QUEUES.union(map(_text, queues)))
            paused = {_text(name): _text(who) for name, who in stops.items()}
            # A paused lane is shown while nothing is in it, too.
            lists = [*names, *sorted(({*map(_text, lanes)} | paused.keys()).difference(names))]
            stale = self._workers.choose_stale(beats, now)
            # MGET wants at least one key; the set of workers itself stands in, and MGET answers nil for no string.
            pipeline.mget([keys.WORKERS, *(_WORKER + worker_id for worker_id in stale)])
            ask_lanes(pipeline, lists)
            own = len(pipeline)
            page.ask_more(pipeline, lists)
            answers = pipeline.execute(raise_on_error=False)
        texts, *counts = _untroubled(answers[:own])
        self._readings += 1
        self._redis = _redis_view(*about) if about else self._redis
        views = read_lanes(lists, counts, now, paused)
        changes = self._workers.update(beats, zip(stale, texts[1:], strict=True), now)
        queues = read_queues(names, lists, counts)
        snapshot = Snapshot(now, queues, changes.now, None, views, self._redis, changes=changes)
        seen = replace(self._observer.observe(snapshot), paused=paused, audit=read_audit(audit))
        if page.page == "worker" and (history := self._observer.of_worker(page.about)):
            seen = replace(seen, histories={page.about: history})
        return page.add_to(seen, answers[own:], self._database)

    def _ask_all(self, pipeline: Any) -> int:
        """Adds what all pages need of the first round trip; returns how many questions that is."""
        pipeline.time()
        # The beats of all: they say who has gone, and cost little beside the records.
        # Not by zrange(), which would turn each of thousands of numbers into a text and back.
        pipeline.execute_command("ZRANGE", keys.WORKERS, 0, -1, "WITHSCORES")
        pipeline.smembers(keys.QUEUES)
        pipeline.smembers(keys.LANES)
        pipeline.hgetall(keys.PAUSED)
        ask_audit(pipeline)
        if self._readings % READINGS_PER_INFO == 0:
            pipeline.info("server")
            pipeline.info("memory")
        return len(pipeline)

    @property
    def _database(self) -> str:
        """What Redis calls the database of the queues."""
        return f"db{self._client.connection_pool.connection_kwargs.get('db', 0)}"

    def _complaint(self, error: Exception) -> str:
        if isinstance(error, redis.AuthenticationError | redis.ResponseError):
            return f"Redis at {self.address} refuses: {printable(str(error))}"
        return f"Redis does not answer at {self.address}"


def _text(name: bytes) -> str:
    return name.decode(errors="replace")


def _untroubled(answers: Sequence[Any]) -> Sequence[Any]:
    """Answers that all pages need; what only one page asks for may be refused.

    Raises:
      redis.ResponseError: When one of them is an error.
    """
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _redis_view(server: dict[str, Any], memory: dict[str, Any]) -> RedisView:
    return RedisView(
        version=str(server.get("redis_version", "")),
        memory_used=int(memory.get("used_memory", 0)),
        memory_max=int(memory.get("maxmemory", 0)),
        eviction_policy=str(memory.get("maxmemory_policy", "noeviction")),
    )
