"""A model that has to be downloaded first holds up its own tasks only."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.demo.models import CLASSIFIER, LANGUAGE_MODEL, SHIPPED_MODELS
from actors.devices.backend import DeviceName
from actors.engine.engine import Engine
from actors.engine.work import Job
from actors.errors import ModelNotFound, TaskCancelled, WorkerStopping
from actors.payloads import parse_request
from settings.config import Settings
from tests.model_store.hub_server import HubServer
from tests.waiting import wait_until

SECONDS = 60.0


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A server that holds its weights back until its gate is opened."""
    with HubServer(SHIPPED_MODELS) as server:
        server.gate = threading.Event()
        yield server
        server.gate.set()


@pytest.fixture
def engine(hub: HubServer, tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(DeviceName("cpu", 0), Settings(_env_file=None, model_manager_url=hub.url, state_dir=tmp_path))
    engine.start()
    yield engine
    engine.stop()


def classify(engine: Engine, model: str = CLASSIFIER) -> Job:
    return submitted(engine, "classify", model=model, texts=["import os"])


def submitted(engine: Engine, task: str, **fields: object) -> Job:
    job = engine.plan(task, parse_request(task, fields), SECONDS)
    engine.submit([job])
    return job


def test_submitting_does_not_wait_for_a_download(hub: HubServer, engine: Engine) -> None:
    jobs = [classify(engine) for _ in range(8)]

    assert not any(job.future.done() for job in jobs)
    hub.gate.set()
    completions = [job.future.result(SECONDS) for job in jobs]
    assert {completion.model.revision for completion in completions} == {hub.commit(CLASSIFIER)}
    assert all(completion.load_seconds > 0 for completion in completions)


def test_a_model_that_the_server_does_not_have_fails_its_task(engine: Engine) -> None:
    with pytest.raises(ModelNotFound, match="org/unknown"):
        classify(engine, "org/unknown").future.result(SECONDS)


def test_a_download_is_not_counted_as_the_tasks_own_time(hub: HubServer, engine: Engine) -> None:
    job = classify(engine)
    planned = job.deadline
    wait_until(lambda: hub.asked_for("model.safetensors"), "the weights are asked for")

    hub.gate.set()

    assert job.future.result(SECONDS).load_seconds > 0
    assert job.deadline > planned


def test_how_far_a_download_is_is_told(hub: HubServer, engine: Engine) -> None:
    job = classify(engine)
    wait_until(lambda: any(each.done_bytes for each in engine.status().arriving), "something has come")

    (arriving,) = engine.status().arriving

    size = sum(path.stat().st_size for path in hub.files(CLASSIFIER) if path.suffix in (".json", ".safetensors"))
    assert (arriving.model, arriving.phase, arriving.total_bytes) == (CLASSIFIER, "downloading", size)
    assert 0 < (arriving.done_bytes or 0) < size
    hub.gate.set()
    job.future.result(SECONDS)
    wait_until(lambda: engine.status().arriving == (), "it is in memory")


def test_a_task_that_waits_for_a_download_can_be_cancelled(hub: HubServer, engine: Engine) -> None:
    job = classify(engine)

    job.cancel()

    assert isinstance(job.future.exception(), TaskCancelled)


def test_an_engine_that_brings_no_more_ends_tasks_that_wait_for_a_download_and_computes_others(
    hub: HubServer, engine: Engine
) -> None:
    hub.gate.set()
    classify(engine).future.result(SECONDS)
    hub.gate.clear()
    waiting = submitted(engine, "generate", model=LANGUAGE_MODEL, prompt="A list", max_new_tokens=1)
    wait_until(lambda: engine.status().arriving, "the download has begun")

    engine.stop_bringing()
    hub.gate.set()

    assert isinstance(waiting.future.exception(SECONDS), WorkerStopping)
    assert classify(engine).future.result(SECONDS).outputs


def test_an_engine_that_stops_ends_tasks_that_wait_for_a_download(hub: HubServer, engine: Engine) -> None:
    job = classify(engine)
    wait_until(lambda: hub.asked_for("model.safetensors"), "the download has begun")

    engine.stop()
    hub.gate.set()

    assert isinstance(job.future.exception(SECONDS), WorkerStopping)
