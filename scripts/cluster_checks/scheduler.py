"""The check that the periodic jobs are sent and done."""

import redis
from pydantic import ValidationError

from scripts.cluster_checks.check import Check
from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from settings.records import ClusterHealth

#: A summary is due each minute; one may be missed.
OLDEST_SUMMARY_SECONDS = 150

MEND = "start one: `docker compose up -d scheduler`, or `python -m actors.scheduler`"


def check_scheduler(settings: Settings, has_workers: bool) -> Check:
    """The cluster's summary of the last minutes is there."""
    if not has_workers:
        return Check("scheduler", "skipped", "its jobs are done by workers, and there is none")
    try:
        age_seconds = summary_age_seconds(settings)
    except redis.RedisError as error:
        return Check("scheduler", "skipped", f"Redis has stopped answering: {error}")
    if age_seconds is None:
        return Check("scheduler", "failed", "no summary of the cluster was written lately", MEND)
    if age_seconds > OLDEST_SUMMARY_SECONDS:
        return Check("scheduler", "failed", f"the last summary of the cluster is {age_seconds:.0f} s old", MEND)
    return Check("scheduler", "ok", f"the last summary of the cluster is {age_seconds:.0f} s old")


def summary_age_seconds(settings: Settings) -> float | None:
    """How old the cluster's last summary is by Redis' clock; None when there is none of this version."""
    with queue_client(settings) as client:
        stored, (seconds, microseconds) = client.get(keys.HEALTH), client.time()
    try:
        return seconds + microseconds / 1e6 - ClusterHealth.from_json(stored).at if stored else None
    except ValidationError:
        return None
