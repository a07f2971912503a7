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
from tests.model_store.model_manager import ModelManager
from tests.waiting import wait_until


@dataclass(frozen=True)
class Card:
    """As much of a device as is registered."""

    name: DeviceName = field(default_factory=lambda: DeviceName("cuda", 2))
    label: str = "a card"
    total_bytes: int | None = 16_000_000_000

    def memory(self) -> DeviceMemory:
        return DeviceMemory(total=self.total_bytes)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr(registration, "BEAT_SECONDS", 0.02)
    with HubServer(tmp_path) as server:
        yield server


@pytest.fixture
def manager(server: HubServer) -> ModelManager:
    return server.manager


@pytest.fixture
def registered(server: HubServer) -> Iterator[Registration]:
    worker = Registration(Origin(server.url), "host-1", "host", Card())
    worker.start()
    yield worker
    worker.stop()


def test_a_worker_registers_and_then_beats(manager: ModelManager, registered: Registration) -> None:
    wait_until(lambda: len(manager.posts) > 2, "the worker beats")

    path, fields = manager.posts[0]
    assert (path, fields["gpu_index"], fields["memory_total_gb"]) == ("/workers/", 2, 16.0)
    assert {path for path, _ in manager.posts[1:]} == {"/workers/host-1/heartbeat"}


def test_a_model_manager_that_has_forgotten_a_worker_is_told_again(
    manager: ModelManager, registered: Registration
) -> None:
    wait_until(lambda: len(manager.posts) > 1, "the worker beats")

    manager.workers.clear()
    manager.posts.clear()
    wait_until(lambda: "/workers/" in dict(manager.posts), "the worker registers again")
    manager.posts.clear()

    wait_until(lambda: "/workers/host-1/heartbeat" in dict(manager.posts), "the worker beats again")


@pytest.mark.parametrize(
    "card",
    [Card(DeviceName("cuda", 5)), Card(total_bytes=None)],
    ids=["a sixth card", "an integrated one, of whose memory nobody can tell"],
)
def test_a_worker_that_is_refused_says_so_once(
    card: Card, server: HubServer, manager: ModelManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    worker = Registration(Origin(server.url), "host-1", "host", card)
    worker.start()
    worker._thread.join(10)

    assert (len(manager.posts), manager.workers) == (1, {})
    assert [record.getMessage() for record in caplog.records] == [
        f"host-1 works without being registered: worker host-1: {server.url} refuses what it was sent (422)"
    ]


def test_a_worker_of_a_host_with_a_dot_in_its_name_is_registered_too(server: HubServer, manager: ModelManager) -> None:
    worker = Registration(Origin(server.url), "pc.lan-1", "pc.lan", Card())
    worker.start()

    wait_until(lambda: "/workers/pc-lan-1/heartbeat" in dict(manager.posts), "the worker beats")
    worker.stop()

    assert manager.workers["pc-lan-1"]["worker_id"] == "pc.lan-1"


def test_a_redirected_registration_keeps_its_content(server: HubServer, manager: ModelManager) -> None:
    fields = {"id": "host-1", "gpu_index": 0, "memory_total_gb": 16.0}

    Origin(server.url).tell("/workers", fields, "a worker")

    assert manager.posts == [("/workers/", fields)]
