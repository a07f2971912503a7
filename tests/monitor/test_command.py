import json
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from monitor.options import read_options
from settings import keys
from settings.config import Settings
from tests.monitor.cluster import Cluster, model
from tests.monitor.terminal import Terminal
from tests.waiting import wait_until

ALTERNATE_SCREEN, NORMAL_SCREEN = "\x1b[?1049h", "\x1b[?1049l"

needs_a_pseudo_terminal = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


def monitor(repository: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "monitor", *arguments]
    return subprocess.run(
        command, cwd=repository, capture_output=True, text=True, encoding="utf-8", timeout=60, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("option", ["--once", "--plain"])
def test_one_reading_of_a_healthy_cluster_ends_with_0(repository: Path, cluster: Cluster, option: str) -> None:
    cluster.beat("gpu-01-42")

    done = monitor(repository, option)

    assert (done.returncode, done.stderr) == (0, "")
    assert "○ idle      gpu-01-42" in done.stdout
    assert "\x1b" not in done.stdout


def test_without_a_terminal_there_is_one_reading(repository: Path, cluster: Cluster) -> None:
    cluster.beat("gpu-01-42")

    done = monitor(repository)

    assert done.returncode == 0
    assert "gpu-01-42" in done.stdout


def test_a_reading_as_json_can_be_parsed(repository: Path, cluster: Cluster) -> None:
    cluster.beat("gpu-01-42")

    done = monitor(repository, "--once", "--json")

    assert done.returncode == 0
    assert json.loads(done.stdout)["workers"][0]["worker_id"] == "gpu-01-42"


def test_a_lost_worker_ends_with_1(repository: Path, cluster: Cluster) -> None:
    cluster.vanish("gpu-01-42", age_seconds=60)

    assert monitor(repository, "--once").returncode == 1


def test_a_dead_letter_ends_with_1(repository: Path, queue_redis: redis.Redis) -> None:
    queue_redis.zadd(keys.dead(keys.INFERENCE_QUEUE), {"message": 1})

    assert monitor(repository, "--json").returncode == 1


def test_warnings_alone_end_with_0_and_say_so(repository: Path, cluster: Cluster) -> None:
    cluster.beat("gpu-01-42", age_seconds=9.0)

    done = monitor(repository, "--once")

    assert done.returncode == 0
    assert "▲ late" in done.stdout
    assert "Exit code 1 for any ✖; ▲ alone are warnings, with exit code 0." in done.stdout


def test_another_redis_can_be_named(repository: Path, cluster: Cluster, redis_url: str) -> None:
    cluster.beat("gpu-01-42")

    other = monitor(repository, "--once", "--redis-url", redis_url.replace("/0", "/5"))

    assert other.returncode == 0
    assert "No workers yet: start one with `dramatiq actors`" in other.stdout


def test_no_redis_ends_with_2_and_a_line_that_says_what_to_do(repository: Path) -> None:
    done = monitor(repository, "--once", "--redis-url", "redis://:secret@127.0.0.1:1/0")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Redis does not answer at 127.0.0.1:1: set REDIS_URL or pass --redis-url, "
        "or start one with `docker compose up -d redis`.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["--redis-url", "http://:secret@host"], "argument --redis-url: allowed are redis://HOST:PORT/DB"),
        (["--redis-url", "redis://:sec/ret@host"], "argument --redis-url: allowed are redis://HOST:PORT/DB"),
        (["--explain", ""], "argument --explain: allowed is the id of a message"),
        (["--interval", "0"], "argument --interval: allowed are numbers from 0.1 on"),
        (["--interval", "nan"], "argument --interval: allowed are numbers from 0.1 on"),
        (["--interval", "soon"], "argument --interval: allowed are numbers from 0.1 on"),
        (["--demo", "--replay", "x"], "argument --replay: not allowed with argument --demo"),
        (["--demo", "--explain", "id"], "--explain asks Redis; it goes with neither --demo nor --replay"),
        (["--record", "x", "--once"], "--record goes with none of --replay, --serve, --once and --json"),
        (["--serve", "0.0.0.0:8000"], "argument --serve: allowed are addresses of this host alone"),
        (["--serve", "gpu-hub:8000"], "argument --serve: allowed are addresses of this host alone"),
        (["--serve", "127.0.0.1:0"], "argument --serve: allowed are addresses of this host alone"),
        (["--serve", "--json"], "--serve goes with none of --once, --json and --explain"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_options(arguments)

    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert reason in line
    assert "sec" not in line


def test_a_setting_that_cannot_be_used_is_one_line(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "gpu-hub:6379")

    done = monitor(repository, "--once")

    assert done.returncode == 2
    assert done.stderr.startswith("Configuration: REDIS_URL=gpu-hub:6379 is not valid")


@needs_a_pseudo_terminal
def test_a_terminal_gets_the_dashboard_and_q_gives_the_terminal_back(repository: Path, cluster: Cluster) -> None:
    cluster.beat("gpu-01-42")

    with Terminal(repository, "-m", "monitor") as terminal:
        terminal.read_until("gpu-01-42")
        assert ALTERNATE_SCREEN in terminal.output

        terminal.type("q")

        terminal.read_until(NORMAL_SCREEN)
        assert terminal.process.wait(timeout=30) == 0


@needs_a_pseudo_terminal
def test_sigterm_gives_the_terminal_back(repository: Path, cluster: Cluster) -> None:
    cluster.beat("gpu-01-42")

    with Terminal(repository, "-m", "monitor") as terminal:
        terminal.read_until("gpu-01-42")

        terminal.process.terminate()

        terminal.read_until(NORMAL_SCREEN)
        assert terminal.process.wait(timeout=30) == 143


@needs_a_pseudo_terminal
def test_without_textual_a_line_says_what_to_install(repository: Path, cluster: Cluster) -> None:
    without_textual = "import sys; sys.modules['textual'] = None; from monitor.__main__ import main; sys.exit(main([]))"

    with Terminal(repository, "-c", without_textual) as terminal:
        terminal.read_until("pip install cluster-manager[monitor]")
        assert terminal.process.wait(timeout=30) == 2


def test_without_textual_serve_a_line_says_what_to_install(repository: Path) -> None:
    without = "import sys; sys.modules['aiohttp'] = None; from monitor.__main__ import main"
    command = [sys.executable, "-c", f"{without}; sys.exit(main(['--demo', '--serve']))"]

    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "--serve needs textual-serve: pip install cluster-manager[serve].\n"


def test_the_demo_needs_no_redis_and_prints_in_ascii(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    done = monitor(repository, "--demo", "--once", "--ascii")

    assert (done.returncode, done.stderr) == (0, "")
    assert "! late        gpu-07-1444" in done.stdout
    assert done.stdout.isascii()


def test_a_file_that_is_no_recording_ends_with_2_and_one_line(repository: Path) -> None:
    done = monitor(repository, "--replay", "pyproject.toml")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "pyproject.toml is not a recording of the monitor\n"


def test_a_folder_that_cannot_be_written_ends_with_2_and_one_line(repository: Path) -> None:
    done = monitor(repository, "--demo", "--record", "pyproject.toml")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Nothing can be recorded in pyproject.toml: File exists\n"


@needs_a_pseudo_terminal
def test_without_a_terminal_a_recording_goes_on_until_sigterm_and_can_be_replayed(
    repository: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "monitor", "--demo", "--record", str(tmp_path), "--interval", "0.1"]
    with subprocess.Popen(
        command, cwd=repository, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: any(path.stat().st_size > 10_000 for path in tmp_path.iterdir()), "readings are kept")
        process.terminate()
        assert process.wait(timeout=30) == 0

    (path,) = tmp_path.iterdir()
    done = monitor(repository, "--replay", str(path), "--json")
    assert len(json.loads(done.stdout)["workers"]) == 40


def test_a_task_is_explained_by_its_id(repository: Path, cluster: Cluster, settings: Settings) -> None:
    from actors.broker import create_broker
    from actors.client import Client

    message = Client(settings, create_broker(settings)).send("embed", model="org/a", texts=["a text"])
    cluster.beat("gpu-01-42", models=[model("org/a")])

    done = monitor(repository, "--explain", message.message_id)

    assert (done.returncode, done.stderr) == (0, "")
    first, *lines = done.stdout.splitlines()
    assert first.startswith(f"embed {message.message_id} waits as number 1 of 1 in the lane inference.normal.org/a")
    assert lines[-1] == "gpu-01-42  holds the model"

    as_json = monitor(repository, "--explain", message.message_id, "--json")

    assert json.loads(as_json.stdout)["place"]["position"] == 1


def test_a_task_without_a_trace_is_one_line_and_ends_with_1(repository: Path, cluster: Cluster) -> None:
    done = monitor(repository, "--explain", "no-such-id")

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "task no-such-id is not known: it expired, was never sent, or is deep in a long queue\n"


def test_no_task_can_be_explained_without_a_redis(repository: Path) -> None:
    done = monitor(repository, "--explain", "id", "--redis-url", "redis://:secret@127.0.0.1:1/0")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Redis does not answer at 127.0.0.1:1: set REDIS_URL")
