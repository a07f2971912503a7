import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from actors.launch import Launcher, device_names
from monitor.core.source import RedisSource
from settings.config import Settings
from tests.waiting import wait_until

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that ask for an end")

#: A worker that says which device it was started for and then does as it is told.
RECORD = "import os, time; print(os.environ['GPU_DEVICES'], file=open('started', 'a'), flush=True);"
CRASH = RECORD + "os._exit(7)"
LIVE = RECORD + "time.sleep(60)"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("started").touch()


@pytest.fixture
def threads() -> Iterator[list[threading.Thread]]:
    """Threads that must have ended when the test has."""
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()


def run_in_thread(launcher: Launcher, threads: list[threading.Thread]) -> None:
    threads.append(threading.Thread(target=launcher.run))
    threads[-1].start()


def launcher_of(devices: list[str], program: str, first_pause_seconds: float = 60.0) -> Launcher:
    return Launcher(devices, (sys.executable, "-c", program), first_pause_seconds)


def started() -> list[str]:
    """The devices for which a worker was started, in that order."""
    return Path("started").read_text().split()


def test_each_device_gets_a_process_that_knows_it(threads: list[threading.Thread]) -> None:
    launcher = launcher_of(["cuda:0", "cuda:1"], LIVE)

    run_in_thread(launcher, threads)

    wait_until(lambda: sorted(started()) == ["cuda:0", "cuda:1"], "both workers have started")
    processes = [worker.process for worker in launcher.workers if worker.process]
    launcher.stop()
    wait_until(lambda: all(process.poll() is not None for process in processes), "both workers have ended")


def test_a_worker_that_ended_is_started_again(threads: list[threading.Thread]) -> None:
    launcher = launcher_of(["cuda:0"], CRASH, first_pause_seconds=0.01)

    run_in_thread(launcher, threads)

    wait_until(lambda: len(started()) >= 3, "the worker has been started three times")
    launcher.stop()


def test_a_worker_that_ended_at_once_is_left_alone_for_its_pause(
    threads: list[threading.Thread], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    launcher = launcher_of(["cuda:0"], CRASH, first_pause_seconds=60.0)

    run_in_thread(launcher, threads)

    wait_until(lambda: "ended (code 7); next start in 60 s" in caplog.text, "the launcher has noticed the end")
    launcher.stop()
    threads[0].join(timeout=30)
    assert started() == ["cuda:0"]


def test_pauses_grow_while_a_worker_keeps_ending(
    threads: list[threading.Thread], caplog: pytest.LogCaptureFixture
) -> None:
    launcher = launcher_of(["cuda:0"], CRASH, first_pause_seconds=0.6)

    run_in_thread(launcher, threads)

    wait_until(lambda: len(caplog.records) >= 2, "the worker has ended twice")
    launcher.stop()
    pauses = [record.args[2] for record in caplog.records if isinstance(record.args, tuple)]
    assert pauses[:2] == [0.6, 1.2]


def test_one_device_that_fails_leaves_its_neighbour_running(threads: list[threading.Thread]) -> None:
    fails_on_the_first = RECORD + "os._exit(7) if os.environ['GPU_DEVICES'] == 'cuda:0' else time.sleep(60)"
    launcher = launcher_of(["cuda:0", "cuda:1"], fails_on_the_first, first_pause_seconds=0.01)

    run_in_thread(launcher, threads)

    wait_until(lambda: started().count("cuda:0") >= 3, "the first device's worker has ended twice")
    assert started().count("cuda:1") == 1
    launcher.stop()


@posix_only
def test_a_second_request_to_stop_reaches_the_workers_too(threads: list[threading.Thread]) -> None:
    stubborn = "import signal; ends = []; signal.signal(signal.SIGTERM, lambda *_: ends.append(1));" + RECORD
    launcher = launcher_of(["cpu:0"], f"{stubborn}\nwhile len(ends) < 2: time.sleep(0.01)")
    run_in_thread(launcher, threads)
    wait_until(lambda: started() == ["cpu:0"], "the worker has started")

    launcher.stop()
    launcher.stop()

    threads[0].join(timeout=30)
    assert not threads[0].is_alive()


@posix_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_the_launcher_and_its_real_workers_gently(
    number: signal.Signals, settings: Settings, repository: Path
) -> None:
    cluster = RedisSource(settings)
    command = [sys.executable, "-m", "actors.launch", "cpu:0", "cpu:1"]
    launcher = subprocess.Popen(command, cwd=repository, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def count_live() -> int:
        return sum(worker.liveness == "live" for worker in cluster.read().workers)

    wait_until(lambda: count_live() == 2, "both workers beat", timeout_seconds=60)
    below = psutil.Process(launcher.pid).children(recursive=True)

    # To the whole group, as a terminal does.
    os.killpg(launcher.pid, number)
    _, printed = launcher.communicate(timeout=60)

    cluster.close()
    assert launcher.returncode == 0
    assert len(below) >= 4
    assert not any(process.is_running() for process in below)
    assert "Killing worker process" not in printed
    assert cluster.read().workers == ()


@pytest.mark.parametrize(
    ("device", "line"),
    [
        ("nonsense", "Configuration: GPU_DEVICES=nonsense is not valid: allowed are auto, all, or "),
        ("cpu:x", "Configuration: GPU_DEVICES=cpu:x is not valid: allowed are auto, all, or "),
        ("cuda:99", "No worker can be started: cuda:99: "),
        ("99", "No worker can be started: GPU_DEVICES=99: this host has "),
    ],
)
def test_a_device_that_cannot_be_served_is_one_line(
    settings: Settings, repository: Path, device: str, line: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "actors.launch", device], cwd=repository, capture_output=True, text=True, timeout=100
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


def test_without_arguments_the_devices_are_those_of_the_configuration(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_DEVICES", "cpu:1,cpu")

    assert device_names([]) == ["cpu:1", "cpu:0"]


def test_arguments_come_before_the_configuration(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_DEVICES", "cpu")

    assert device_names(["cpu:2", "cpu:3"]) == ["cpu:2", "cpu:3"]
