"""The cluster's own jobs, on the `control` queue, started by the scheduler."""

from collections.abc import Iterable
from functools import cache

import dramatiq
import redis
from periodiq import cron
from pydantic import ValidationError

from actors.broker import broker
from settings import keys
from settings.config import current_settings
from settings.connections import queue_client
from settings.queue_counts import ask_counts, read_counts
from settings.records import LATE_AFTER_SECONDS, ClusterHealth, QueueCounts, WorkerRecord

#: How long the last summary is shown when no new one comes.
SUMMARY_TTL_SECONDS = 300

#: How much history is kept.
HISTORY_SECONDS = 86_400

#: Longer than a minute, so that late schedulers find the minute taken.
MINUTE_TTL_SECONDS = 180


@dramatiq.actor(broker=broker, queue_name=keys.CONTROL_QUEUE, periodic=cron("* * * * *"), store_results=False)
def publish_cluster_health() -> None:
    """Writes the cluster's summary and appends it to a day of history, once a minute however many schedulers run."""
    client = _redis()
    seconds, microseconds = client.time()
    now = seconds + microseconds / 1_000_000
    if not client.set(keys.health_minute(seconds // 60), "taken", nx=True, ex=MINUTE_TTL_SECONDS):
        return
    health = summarise_cluster(client, now).to_json()
    with client.pipeline() as pipe:
        pipe.set(keys.HEALTH, health, ex=SUMMARY_TTL_SECONDS)
        pipe.zadd(keys.HEALTH_HISTORY, {health: now})
        pipe.zremrangebyscore(keys.HEALTH_HISTORY, "-inf", now - HISTORY_SECONDS)
        pipe.execute()


def summarise_cluster(client: redis.Redis, now: float) -> ClusterHealth:
    """Reads all queues and workers in two round trips; `now` is Redis' clock."""
    with client.pipeline(transaction=False) as pipe:
        pipe.smembers(keys.QUEUES)
        pipe.smembers(keys.LANES)
        pipe.zrange(keys.WORKERS, 0, -1, withscores=True)
        names, lanes, seen = pipe.execute()
    queues, last_seen = sorted(name.decode() for name in names), {worker.decode(): at for worker, at in seen}
    lists = [*queues, *sorted(lane.decode() for lane in lanes)]
    with client.pipeline(transaction=False) as pipe:
        for worker in last_seen:
            pipe.get(keys.worker(worker))
        ask_counts(pipe, lists)
        answers = pipe.execute()
    records = [record for text in answers[: len(last_seen)] if (record := _record(text))]
    return _summary(now, read_counts(queues, lists, answers[len(last_seen) :]), records, last_seen)


@cache
def _redis() -> redis.Redis:
    return queue_client(current_settings())


def _record(text: bytes | None) -> WorkerRecord | None:
    try:
        return WorkerRecord.from_json(text) if text else None
    except ValidationError:
        return None  # another version's


def _summary(
    now: float, counts: tuple[QueueCounts, ...], records: list[WorkerRecord], last_seen: dict[str, float]
) -> ClusterHealth:
    devices = [record.device for record in records if record.device]
    models: dict[str, int] = {}
    for record in records:
        for model in record.models:
            models[model.model] = models.get(model.model, 0) + 1
    return ClusterHealth(
        at=now,
        queues=counts,
        workers=len(records),
        workers_late=sum(now - last_seen.get(record.worker_id, 0) > LATE_AFTER_SECONDS for record in records),
        devices=len(devices),
        busy=sum(record.state in ("busy", "loading") for record in records),
        models=models,
        memory_total=_sum_of_known(device.memory_total for device in devices),
        memory_used=_sum_of_known(device.memory_used for device in devices),
    )


def _sum_of_known(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
