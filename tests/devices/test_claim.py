"""Processes share out the devices by locks of the operating system, and a process's end gives its device back."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.devices.backend import DeviceName
from actors.devices.claim import Claim, claim_device
from actors.errors import DeviceUnavailable

REPOSITORY = Path(__file__).parents[2]
DEVICES = (DeviceName("cuda", 0), DeviceName("cuda", 1))


class Claimant:
    """A process that has claimed a device, or says why it has not."""

    def __init__(self, lock_dir: Path, start: str, devices: tuple[str, ...]) -> None:
        command = [sys.executable, "-m", "tests.devices.claimant", str(lock_dir), start, *devices]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        )
        self.pid = self._process.pid
        self.answer = self.next_line()

    def next_line(self) -> str:
        """What the process says next."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def release(self) -> None:
        """Makes the process give its device back and live on."""
        assert self._process.stdin is not None
        self._process.stdin.write("release\n")
        self._process.stdin.flush()
        assert self.next_line() == "released"

    def kill(self) -> None:
        """Ends the process without a chance to clean up."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def start_claimant(tmp_path: Path) -> Iterator[Callable[..., Claimant]]:
    """Starts a process of a start that claims one of the devices."""
    started: list[Claimant] = []

    def start(name: str, *devices: str) -> Claimant:
        started.append(Claimant(tmp_path, name, devices or tuple(map(str, DEVICES))))
        return started[-1]

    yield start
    for claimant in started:
        claimant.kill()


def test_the_processes_of_a_start_get_a_device_each_and_the_next_one_stands_by(
    start_claimant: Callable[..., Claimant],
) -> None:
    answers = [start_claimant("this start").answer for _ in range(3)]

    assert answers == ["cuda:0", "cuda:1", "stands by"]


def test_another_start_is_told_which_processes_hold_the_devices(
    start_claimant: Callable[..., Claimant], tmp_path: Path
) -> None:
    first, second = start_claimant("this start"), start_claimant("this start")

    with pytest.raises(DeviceUnavailable) as unavailable:
        claim_device(DEVICES, tmp_path, "another start")

    assert f"cuda:0 by process {first.pid}, cuda:1 by process {second.pid}" in str(unavailable.value)
    assert "GPU_DEVICES" in str(unavailable.value)


def test_two_starts_may_share_out_the_devices_and_each_stands_by_after_that(
    start_claimant: Callable[..., Claimant], tmp_path: Path
) -> None:
    start_claimant("this start")
    start_claimant("another start")

    assert claim_device(DEVICES, tmp_path, "this start") is None
    assert claim_device(DEVICES, tmp_path, "another start") is None


def test_a_killed_process_leaves_its_device_free_at_once(
    start_claimant: Callable[..., Claimant], tmp_path: Path
) -> None:
    start_claimant("this start", "cuda:0").kill()

    claim = claim_device(DEVICES, tmp_path, "another start")

    assert claim is not None
    assert claim.name == DEVICES[0]
    claim.release()


def test_a_released_device_is_free_while_its_process_lives(
    start_claimant: Callable[..., Claimant], tmp_path: Path
) -> None:
    start_claimant("this start", "cuda:0").release()

    claim = claim_device(DEVICES[:1], tmp_path, "another start")

    assert claim is not None
    claim.release()


def test_devices_of_one_index_and_different_kinds_are_different_devices(tmp_path: Path) -> None:
    kinds = [DeviceName(backend, 0) for backend in ("cuda", "directml", "cpu")]

    claims = [claim_device([device], tmp_path, "this start") for device in kinds]

    assert [claim.name for claim in claims if claim] == kinds
    _release(claims)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1, "start": "s", "new": 1}', "null"])
def test_a_holder_that_cannot_be_read_is_waited_for_and_then_reported(
    content: str, start_claimant: Callable[..., Claimant], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.devices.claim.HOLDER_SECONDS", 0.1)
    start_claimant("this start", "cuda:0")
    (tmp_path / "cuda_0.json").write_text(content, encoding="utf-8")

    with pytest.raises(DeviceUnavailable, match="cuda:0 by a process that did not say its name"):
        claim_device(DEVICES[:1], tmp_path, "another start")


def test_a_name_that_a_dead_process_left_is_not_taken_for_the_holders(
    start_claimant: Callable[..., Claimant], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.devices.claim.HOLDER_SECONDS", 0.1)
    dead = start_claimant("an old start", "cuda:0")
    left_behind = (tmp_path / "cuda_0.json").read_text(encoding="utf-8")
    dead.kill()
    start_claimant("this start", "cuda:1")
    (tmp_path / "cuda_1.json").write_text(left_behind, encoding="utf-8")

    with pytest.raises(DeviceUnavailable) as unavailable:
        claim_device(DEVICES[1:], tmp_path, "an old start")

    assert str(dead.pid) not in str(unavailable.value)


def _release(claims: list[Claim | None]) -> None:
    for claim in claims:
        assert claim is not None
        claim.release()
