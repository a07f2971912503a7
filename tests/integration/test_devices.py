"""Which process gets which device, for real: two DirectML devices stood in for by a CPU-backed one."""

import os
import signal
from pathlib import Path

import numpy
import psutil
import pytest

from actors.broker import create_broker
from actors.client import Client
from actors.demo.models import EMBEDDING_MODEL, LANGUAGE_MODEL
from actors.middleware.recycling import RECYCLED_EXIT_CODE
from settings.config import Settings
from settings.records import WorkerRecord
from tests.integration.reference import greedy_text, sentence_vectors
from tests.waiting import wait_until
from tests.workers import Workers

MEGABYTE = 1_000_000


@pytest.fixture
def two_devices(settings: Settings, directml_site: Path, repository: Path, model_folder: Path) -> dict[str, str]:
    """The environment of a host with two DirectML adapters of one gigabyte each."""
    return {
        "GPU_DEVICES": "directml:0,directml:1",
        "PYTHONPATH": os.pathsep.join(map(str, (directml_site, repository))),
        "FAKE_ADAPTERS": "2",
        "FAKE_ADAPTER_BYTES": str(1000 * MEGABYTE),
        "MODEL_MANAGER_PATH": str(model_folder),
    }


def _by_device(records: list[WorkerRecord]) -> dict[str, WorkerRecord]:
    return {record.device.name: record for record in records if record.device}


def _uses_torch(pid: int) -> bool:
    return any("libtorch" in mapping.path for mapping in psutil.Process(pid).memory_maps())


def test_two_processes_hold_memory_on_their_own_device_and_a_third_stands_by(
    settings: Settings, tmp_path: Path, two_devices: dict[str, str]
) -> None:
    client = Client(settings, create_broker(settings))
    with Workers(settings, tmp_path, "-p", "3", **two_devices) as workers:
        records = workers.wait_until_ready(devices=2, processes=3)
        standby = [record for record in records if record.device is None]
        assert set(_by_device(records)) == {"directml:0", "directml:1"}
        assert [record.state for record in standby] == ["standby"]
        assert not _uses_torch(standby[0].pid)

        # Enough at once that both take some.
        texts = [f"text number {number}" for number in range(200)]
        messages = [client.send("embed", model=EMBEDDING_MODEL, texts=[text]) for text in texts]
        results = [client.result(message) for message in messages]

        vectors = numpy.array([result.output[0] for result in results])
        assert numpy.abs(vectors - sentence_vectors(texts)).max() < 1e-5
        assert {result.metadata.device for result in results} == {"directml:0", "directml:1"}
        wait_until(
            lambda: all(
                (record.device.memory_used or 0) > 80 * MEGABYTE
                for record in _by_device(workers.records()).values()
                if record.device
            ),
            "both devices hold the model",
        )
        workers.stop()


def test_greedy_text_on_a_directml_device_equals_the_cpus_and_memory_that_is_not_given_back_recycles_its_process(
    settings: Settings, tmp_path: Path, two_devices: dict[str, str]
) -> None:
    leaking = {"GPU_DEVICES": "directml:1", "FAKE_ADAPTER_BYTES": "0", "FAKE_ADAPTER_LEAKS": "1"}
    client = Client(settings, create_broker(settings))
    prompt, request = "The for statement", {"temperature": 0, "repetition_penalty": 1.0, "max_new_tokens": 30}
    with Workers(settings, tmp_path, "-p", "1", **{**two_devices, **leaking}) as workers:
        (record,) = workers.wait_until_ready()

        result = client.result(client.send("generate", model=LANGUAGE_MODEL, prompt=prompt, **request))

        assert result.metadata.device == "directml:1"
        assert result.output["text"] == greedy_text(LANGUAGE_MODEL, prompt, 30)
        unloaded = client.workers[record.worker_id].unload(LANGUAGE_MODEL)
        assert unloaded.memory_after == unloaded.memory_before
        assert workers.wait_until_ended() == RECYCLED_EXIT_CODE
        assert "bytes of the device's memory taken" in workers.log
        assert client.workers.records() == ()


def test_a_second_start_ends_with_who_holds_the_devices(settings: Settings, tmp_path: Path) -> None:
    with Workers(settings, tmp_path, "-p", "1") as first:
        (holder,) = first.wait_until_ready()
        with Workers(settings, tmp_path, "-p", "2") as second:
            assert second.wait_until_ended() != 0

            assert f"no device is free: cpu:0 by process {holder.pid}" in second.log
            assert "Traceback" not in second.log
        first.stop()


def test_a_killed_processs_device_is_free_at_once(settings: Settings, tmp_path: Path) -> None:
    with Workers(settings, tmp_path, "-p", "1") as first:
        (holder,) = first.wait_until_ready()
        os.kill(holder.pid, signal.SIGKILL)
        first.wait_until_ended()

    with Workers(settings, tmp_path, "-p", "1") as second:
        (record,) = second.wait_until_ready()
        assert record.device is not None
        second.stop()


@pytest.mark.parametrize(
    ("devices", "reason"),
    [
        ("cuda:0", "CUDA"),
        ("xpu:0", "no Intel XPU"),
        ("directml:0", "torch-directml is not installed"),
        ("3", "this host has no accelerator"),
        ("all", "this host has no accelerator"),
    ],
)
def test_a_device_that_is_not_there_ends_the_worker_with_the_reason(
    settings: Settings, tmp_path: Path, devices: str, reason: str
) -> None:
    with Workers(settings, tmp_path, "-p", "1", GPU_DEVICES=devices) as workers:
        assert workers.wait_until_ended() != 0

        assert "This worker cannot start" in workers.log
        assert reason in workers.log
        assert "Traceback" not in workers.log


def test_dramatiq_actors_without_options_serves(settings: Settings, tmp_path: Path, model_folder: Path) -> None:
    client = Client(settings, create_broker(settings))
    with Workers(settings, tmp_path, GPU_DEVICES="auto", MODEL_MANAGER_PATH=str(model_folder)) as workers:
        records = workers.wait_until_ready(processes=os.cpu_count() or 1)

        result = client.result(client.send("embed", model=EMBEDDING_MODEL, texts=["a text"]))

        assert result.metadata.device == "cpu:0"
        assert sum(record.device is not None for record in records) == 1
        workers.stop()
