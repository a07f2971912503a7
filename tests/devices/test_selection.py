"""What GPU_DEVICES means on a host, in the order in which processes claim the devices."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from actors.devices import selection
from actors.devices.backend import BACKENDS, DeviceName
from actors.devices.probe import Probe
from actors.devices.selection import Probes, select_devices
from actors.errors import DeviceUnavailable
from settings.config import Settings


def _host(cuda: int = 0, xpu: int = 0, directml: int = 0) -> Probes:
    """What a host with so many devices of each kind answers."""
    counts = {"cuda": cuda, "xpu": xpu, "directml": directml}
    return {
        backend: Probe(backend, labels=("GPU",) * count, reason=None if count else f"no {backend} here")
        for backend, count in counts.items()
    }


def _selected(gpu_devices: str, host: Probes) -> list[str]:
    settings = Settings(_env_file=None, gpu_devices=gpu_devices)
    return [str(device) for device in select_devices(settings, probe=lambda: host)]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (_host(cuda=2, xpu=1, directml=3), ["cuda:0", "cuda:1"]),
        (_host(xpu=1, directml=1), ["xpu:0"]),
        (_host(directml=5), ["directml:0", "directml:1", "directml:2", "directml:3", "directml:4"]),
        (_host(), ["cpu:0"]),
    ],
)
def test_auto_is_every_device_of_the_best_kind(host: Probes, expected: list[str]) -> None:
    assert _selected("auto", host) == expected


def test_all_is_every_accelerator_of_every_kind() -> None:
    assert _selected("all", _host(cuda=1, xpu=1, directml=2)) == ["cuda:0", "xpu:0", "directml:0", "directml:1"]


@pytest.mark.parametrize(
    ("gpu_devices", "expected"),
    [
        ("0,2", ["directml:0", "directml:2"]),
        ("2,0", ["directml:2", "directml:0"]),
        ("1,1,directml:1", ["directml:1"]),
        ("1,cpu", ["directml:1", "cpu:0"]),
    ],
)
def test_indices_are_those_of_the_best_kind_in_the_order_given(gpu_devices: str, expected: list[str]) -> None:
    assert _selected(gpu_devices, _host(directml=3)) == expected


@pytest.mark.parametrize(
    ("gpu_devices", "expected"),
    [
        ("cpu", ["cpu:0"]),
        ("cuda:1,cuda:0", ["cuda:1", "cuda:0"]),
        ("cuda,cuda:0,cpu", ["cuda:0", "cpu:0"]),
        ("directml:7", ["directml:7"]),
    ],
)
def test_devices_named_with_their_kind_are_taken_without_asking_the_host(gpu_devices: str, expected: list[str]) -> None:
    settings = Settings(_env_file=None, gpu_devices=gpu_devices)

    devices = select_devices(settings, probe=lambda: pytest.fail("the host was asked"))

    assert [str(device) for device in devices] == expected


def test_an_index_beyond_the_devices_is_told_with_their_number() -> None:
    with pytest.raises(DeviceUnavailable, match=r"^GPU_DEVICES=2: this host has 2 cuda device\(s\)$"):
        _selected("0,2", _host(cuda=2))


@pytest.mark.parametrize("gpu_devices", ["all", "0", "1,cpu"])
def test_without_an_accelerator_every_kind_says_why(gpu_devices: str) -> None:
    with pytest.raises(DeviceUnavailable) as unavailable:
        _selected(gpu_devices, _host())

    expected = "this host has no accelerator (cuda: no cuda here; xpu: no xpu here; directml: no directml here)"
    assert expected in str(unavailable.value)


@pytest.mark.parametrize("text", ["cuda:0", "xpu:12", "directml:3", "cpu:0"])
def test_a_device_is_written_as_it_is_read(text: str) -> None:
    assert str(DeviceName.parse(text)) == text


def test_every_backend_names_a_module_that_exists() -> None:
    assert [module for module in BACKENDS.values() if find_spec(module) is None] == []


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What the host was asked, each time that it was."""
    asked: list[tuple[str, ...]] = []

    def answer(*backends: str) -> Probes:
        asked.append(backends)
        return _host(cuda=2)

    monkeypatch.setattr(selection, "probe_backends", answer)
    return asked


def test_the_processes_of_a_start_ask_the_host_once(probes: list[tuple[str, ...]], tmp_path: Path) -> None:
    settings = Settings(_env_file=None, state_dir=tmp_path)

    answers = [select_devices(settings) for _ in range(3)]

    assert answers == [(DeviceName("cuda", 0), DeviceName("cuda", 1))] * 3
    assert probes == [("cuda", "xpu", "directml")]


def test_the_next_start_asks_again(
    probes: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(_env_file=None, state_dir=tmp_path)
    select_devices(settings)

    monkeypatch.setattr(selection, "this_start", lambda: "another start")
    select_devices(settings)

    assert len(probes) == 2


@pytest.mark.parametrize("stored", ["", "{", "[]", "{}", "null", '{"start": "this start", "probes": [{"gpu": 1}]}'])
def test_answers_that_cannot_be_read_are_asked_for_again(
    stored: str, probes: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "this_start", lambda: "this start")
    (tmp_path / "devices.json").write_text(stored, encoding="utf-8")

    select_devices(Settings(_env_file=None, state_dir=tmp_path))

    assert len(probes) == 1


def test_the_processes_of_a_start_agree_on_its_name() -> None:
    name = "from actors.devices.selection import this_start; print(this_start())"

    names = {subprocess.check_output([sys.executable, "-c", name], text=True).strip() for _ in range(2)}

    (start,) = names
    assert start.startswith(f"{os.getpid()}@")
