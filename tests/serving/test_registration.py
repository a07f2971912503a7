"""A worker makes itself known to the model-manager, and works whether or not it is heard."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actors.devices.backend import DeviceMemory, DeviceName
from actors.model_store.origin import Origin
from actors.serving import registration
from actors.serving.registration import Registration
from tests.model_store.hub_server import HubServer
from tests.waiting import wait_until


@dataclass(frozen=True)
class Card:
    """As much of a device as is registered."""

    name: DeviceName = field(default_factory=lambda: DeviceName("cuda", 2))
    label: str = "a card"

    def memory(self) -> DeviceMemory:
        return DeviceMemory(total=16_000_000_000)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr(registration, "BEAT_SECONDS", 0.02)
    with HubServer(tmp_path) as server:
        yield server


@pytest.fixture
def registered(manager: HubServer) -> Iterator[Registration]:
    worker = Registration(Origin(manager.url), "host-1", "host", Card())
    worker.start()
    yield worker
    worker.stop()


def test_a_worker_registers_and_then_beats(manager: HubServer, registered: Registration) -> None:
    wait_until(lambda: len(manager.posts) > 2, "the worker beats")

    path, fields = manager.posts[0]
    assert (path, fields["gpu_index"], fields["memory_total_gb"]) == ("/workers/", 2, 16.0)
    assert {path for path, _ in manager.posts[1:]} == {"/workers/host-1/heartbeat"}


def test_a_model_manager_that_has_forgotten_a_worker_is_told_again(
    manager: HubServer, registered: Registration
) -> None:
    wait_until(lambda: len(manager.posts) > 1, "the worker beats")

    manager.post_status = 404
    wait_until(lambda: manager.posts[-1][0] == "/workers/", "the worker registers again")
    manager.post_status = 200

    wait_until(lambda: manager.posts[-1][0].endswith("heartbeat"), "the worker beats again")


def test_a_worker_that_is_refused_says_so_once(manager: HubServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    manager.post_status = 422
    worker = Registration(Origin(manager.url), "host-1", "host", Card())
    worker.start()
    worker._thread.join(10)

    assert len(manager.posts) == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"host-1 works without being registered: worker host-1: {manager.url} refuses what it was sent (422)"
    ]


def test_a_redirected_registration_keeps_its_content(manager: HubServer) -> None:
    Origin(manager.url).tell("/workers", {"gpu_index": 0}, "a worker")

    assert manager.posts == [("/workers/", {"gpu_index": 0})]
