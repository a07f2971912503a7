"""A worker in threads of the test's process: every hook and queue of a real one, without torch and without a model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from dramatiq import Worker

from actors.queueing.broker import ClusterBroker
from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from tests import stand_in_engine

#: What Dramatiq waits for after a connection broke, 3 s and 5 s, in tests that have no reason to wait.
RETRY_SECONDS = 0.1


@contextmanager
def working(broker: ClusterBroker, compute: Callable[[str], str] = stand_in_engine.compute) -> Iterator[Worker]:
    """Runs a broker's actors until the block ends, and `compute` for `classify`; one a process at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stand_in_engine, "compute", compute)
        patch.setattr("actors.middleware.engine_life.ENGINE_MODULE", stand_in_engine.MODULE)
        patch.setattr("actors.middleware.engine_life.ENGINE_ENVIRONMENT", {})  # it would outlast the worker
        patch.setattr("dramatiq.worker.CONSUMER_RESTART_DELAY_SECS", RETRY_SECONDS)
        patch.setattr("dramatiq.worker.POST_PROCESS_MESSAGE_RETRY_DELAY_SECS", RETRY_SECONDS)
        broker.emit_after("process_boot")
        worker = Worker(broker, worker_timeout=100)
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()


def leftovers(settings: Settings) -> list[str]:
    """The keys of tasks that wait, are delayed, or that a process has in hand; empty when all have ended."""
    with queue_client(settings) as client:
        names = [key.decode() for key in client.scan_iter(f"{keys.DRAMATIQ_NAMESPACE}:*", count=1000)]
    permanent = (keys.HEARTBEATS, ".XQ", ".XQ.msgs")
    return sorted(name for name in names if not name.endswith(permanent))
