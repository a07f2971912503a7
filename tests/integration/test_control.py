"""Each worker does what it is told through its own queue, and says what it did."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from actors.broker import create_broker
from actors.client import AsyncClient, Client
from actors.demo.models import CLASSIFIER, LANGUAGE_MODEL
from actors.errors import InvalidRequest, ModelNotFound, ModelNotLoaded, WorkerSilent, WorkerUnknown
from actors.middleware.recycling import RECYCLED_EXIT_CODE
from actors.remote_workers import RemoteWorker
from monitor.core.lane_actions import LaneActions
from monitor.core.worker_actions import WorkerActions
from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from settings.records import WorkerRecord
from tests.conftest import Cluster
from tests.light_worker import leftovers
from tests.waiting import wait_until
from tests.workers import Workers

TASK = {"model": CLASSIFIER, "texts": ["import os"]}


@pytest.fixture
def worker(client: Client, cluster: Cluster) -> Iterator[RemoteWorker]:
    """The session's worker, which takes tasks again afterwards."""
    worker = client.workers[cluster.workers.records()[0].worker_id]
    yield worker
    worker.resume()


@pytest.fixture
def record(cluster: Cluster) -> Callable[[], WorkerRecord]:
    """What the worker says about itself now."""
    return lambda: cluster.workers.records()[0]


def test_the_live_workers_are_listed(client: Client, cluster: Cluster) -> None:
    assert [record.worker_id for record in client.workers.records()] == [cluster.workers.records()[0].worker_id]


def test_a_model_is_loaded_and_unloaded(worker: RemoteWorker, record: Callable[[], WorkerRecord]) -> None:
    loaded = worker.load(CLASSIFIER)
    wait_until(lambda: CLASSIFIER in {each.model for each in record().models}, "the model is loaded")
    unloaded = worker.unload(CLASSIFIER)

    assert (loaded.worker_id, loaded.action, loaded.text) == (worker.worker_id, "load", "loaded")
    assert set(loaded.models) <= set(unloaded.models)  # other tests may have loaded it for other tasks
    assert loaded.models[0].startswith(f"{CLASSIFIER}@")
    assert min(loaded.memory_after, unloaded.memory_before) > 1_000_000
    assert None not in (loaded.memory_before, unloaded.memory_after)  # 0 on an adapter that was empty, not on a CPU
    assert loaded.memory_source
    wait_until(lambda: CLASSIFIER not in {each.model for each in record().models}, "the model is unloaded")


def test_a_model_is_pinned_and_unpinned(worker: RemoteWorker, record: Callable[[], WorkerRecord]) -> None:
    def pinned() -> set[str]:
        return {each.model for each in record().models if each.is_pinned}

    assert worker.pin(LANGUAGE_MODEL).text == "loaded and pinned"
    wait_until(lambda: pinned() == {LANGUAGE_MODEL}, "the model is pinned")
    assert worker.unpin(LANGUAGE_MODEL).text == "no longer pinned"
    wait_until(lambda: not pinned(), "no model is pinned")


def test_a_models_keep_alive_is_set_by_a_load_or_a_task(
    client: Client, worker: RemoteWorker, record: Callable[[], WorkerRecord]
) -> None:
    with suppress(ModelNotLoaded):
        worker.unload(CLASSIFIER)  # which other tests may have loaded for other tasks
    worker.load(CLASSIFIER, keep_alive="1h")
    wait_until(
        lambda: any(each.expires_at and each.expires_at > each.loaded_at + 3000 for each in record().models),
        "the model stays an hour",
    )

    client.result(client.send("classify", **TASK, keep_alive="0"), timeout=30)

    wait_until(lambda: CLASSIFIER not in {each.model for each in record().models}, "the model is unloaded")


def test_a_worker_that_is_drained_takes_no_tasks_until_it_resumes(
    client: Client, worker: RemoteWorker, record: Callable[[], WorkerRecord]
) -> None:
    assert worker.drain().text == "takes no more tasks; 0 in hand"
    wait_until(lambda: record().state == "draining", "the record says so")
    message = client.send("classify", **TASK)
    wait_until(lambda: client.explain(message).place.state == "waiting", "the task waits")

    worker.resume()

    assert client.result(message, timeout=30).output
    wait_until(lambda: record().state == "idle", "the record says so")


def test_a_monitor_tells_the_worker_too_and_pauses_its_lanes(
    client: Client, worker: RemoteWorker, cluster: Cluster
) -> None:
    workers, lanes = WorkerActions(cluster.settings), LaneActions(cluster.settings)
    try:
        told = workers.command(worker.worker_id, "load", CLASSIFIER)
        assert re.fullmatch(rf"{worker.worker_id}: loaded {CLASSIFIER}@\S+; memory .* MiB → .* MiB", told.text)
        assert "ModelNotLoaded: org/none" in workers.command(worker.worker_id, "unload", "org/none").text

        lanes.pause(f"inference.normal.{CLASSIFIER}")
        message = client.send("classify", **TASK)
        assert client.result(client.send("classify", **TASK, priority=1), timeout=30).output
        assert client.explain(message).place.is_paused

        lanes.resume(f"inference.normal.{CLASSIFIER}")
        assert client.result(message, timeout=30).output
    finally:
        lanes.resume(f"inference.normal.{CLASSIFIER}")
        workers.close()
        lanes.close()


def test_what_cannot_be_done_is_told(client: Client, worker: RemoteWorker) -> None:
    with pytest.raises(ModelNotFound):
        worker.load("org/none")
    with pytest.raises(ModelNotLoaded, match="org/none is not in this worker's memory"):
        worker.unload("org/none")
    with pytest.raises(InvalidRequest, match="task"):
        worker.load(CLASSIFIER, task="run_pipeline")
    with pytest.raises(InvalidRequest, match="allowed are seconds such as 300"):
        worker.load(CLASSIFIER, keep_alive="long")
    with pytest.raises(WorkerUnknown, match="there is no live worker 'nobody-1'"):
        client.workers["nobody-1"].drain()


def test_a_keep_alive_of_another_sender_that_is_none_is_answered(client: Client, cluster: Cluster) -> None:
    message = client.message("classify", **TASK).copy(options={"keep_alive": "long"})
    create_broker(cluster.settings).enqueue(message)

    with pytest.raises(InvalidRequest, match="allowed are seconds such as 300"):
        client.result(message, timeout=30)


async def test_asyncio_gateways_command_too(async_client: AsyncClient) -> None:
    (record,) = await async_client.workers.records()

    outcome = await async_client.workers[record.worker_id].load(CLASSIFIER)

    assert outcome.action == "load"


def test_a_worker_that_does_not_answer_is_told_and_what_was_asked_expires(
    settings: Settings, queue_redis: redis.Redis
) -> None:
    record = WorkerRecord(worker_id="gone-1", host="gone", pid=1, broker_id="b", state="idle", started_at=0, sent_at=0)
    queue_redis.set(keys.worker("gone-1"), record.to_json())
    queue = keys.control_queue("gone-1")

    with pytest.raises(WorkerSilent, match=r"gone-1 did not answer drain within 0\.2 s"):
        Client(settings, create_broker(settings)).workers["gone-1"].drain(timeout=0.2)

    assert 0 < queue_redis.ttl(keys.ready(queue)) <= 3600
    assert 0 < queue_redis.ttl(keys.bodies(queue)) <= 3600


def test_commands_leave_nothing_behind(worker: RemoteWorker, cluster: Cluster) -> None:
    worker.resume()

    wait_until(lambda: not leftovers(cluster.settings), "no command is left")
    with queue_client(cluster.settings) as queues:
        assert queues.smembers(keys.QUEUES) == {b"control", b"inference"}


@pytest.mark.skipif(sys.platform == "win32", reason="a Dramatiq master of Windows passes no exit code on")
def test_a_recycled_worker_preloads_ends_in_order_and_says_so_by_its_exit_code(
    settings: Settings, tmp_path: Path, model_folder: Path
) -> None:
    environment = {"MODEL_MANAGER_PATH": str(model_folder), "PRELOAD_MODELS": f"org/none,{CLASSIFIER}"}
    with Workers(settings, tmp_path, "-p", "1", **environment) as workers:
        workers.wait_until_ready()
        wait_until(lambda: workers.records()[0].state == "idle", "the worker takes tasks", 60)
        (record,) = workers.records()
        client = Client(settings, create_broker(settings))

        assert [model.model for model in record.models] == [CLASSIFIER]
        workers.wait_until_logged("PRELOAD_MODELS: org/none is not there")
        assert client.workers[record.worker_id].recycle().text == "ends after its tasks in hand"
        assert workers.wait_until_ended() == RECYCLED_EXIT_CODE
        assert client.workers.records() == ()
