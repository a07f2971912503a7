"""All checks of a cluster in their order, each given what the ones before have found."""

from collections.abc import Iterator
from pathlib import Path

from monitor.core.source import RedisSource
from scripts.cluster_checks.check import Check
from scripts.cluster_checks.devices import check_devices
from scripts.cluster_checks.model_store import check_model, check_store
from scripts.cluster_checks.model_store import check_server as check_model_server
from scripts.cluster_checks.redis_server import check_server
from scripts.cluster_checks.scheduler import check_scheduler
from scripts.cluster_checks.trial import smallest_trial
from scripts.cluster_checks.workers import check_workers
from settings.config import Settings


def check_cluster(settings: Settings, model: str | None, timeout_seconds: float) -> Iterator[Check]:
    """Yields each check as soon as it is done; only that of Redis when it does not answer."""
    source = RedisSource(settings)
    server = check_server(settings, source.address)
    yield from server
    if server[0].status == "failed":
        return
    root = settings.model_manager_path
    if settings.model_manager_url:
        yield check_model_server(settings.model_manager_url, settings.model_manager_token)
        root = root or _existing(settings.model_cache_folder)
    models = []
    if root or not settings.model_manager_url:  # before the first download there is nothing to be looked at
        check, models = check_store(root)
        yield check
    if model:
        check, models = check_model(root, model)
        yield check
    snapshot = source.read()
    source.close()
    yield from check_devices(settings, [worker.record for worker in snapshot.workers if worker.record])
    yield from check_workers(settings, snapshot, smallest_trial(models), timeout_seconds)
    yield check_scheduler(settings, has_workers=any(worker.liveness != "lost" for worker in snapshot.workers))


def _existing(folder: Path) -> Path | None:
    return folder if folder.is_dir() else None
