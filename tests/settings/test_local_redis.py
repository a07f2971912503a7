"""The private Redis of a first run: started when there is no other, shared, safe, and gone with its owner."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from settings import local_redis
from settings.config import InvalidConfiguration, Settings
from settings.local_redis import DEFAULT_URL, ensure_redis, find_redis_url
from tests.waiting import wait_until

# The process that starts the server does not wait for its end: that is the point of it.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

_OWNER = "import sys; sys.stdin.readline()"
_FIND = """
from pathlib import Path; import sys
from settings.config import Settings
from settings.local_redis import find_redis_url
print(find_redis_url(Settings(_env_file=None, state_dir=Path(sys.argv[1]))))
"""


class Owner:
    """The process that a private Redis lives as long as."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", _OWNER], stdin=subprocess.PIPE)
        self.pid = self._process.pid

    def kill(self) -> None:
        """Ends it without a chance to clean up."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def owner() -> Iterator[Owner]:
    """A process, ended with the test."""
    process = Owner()
    yield process
    process.kill()


@pytest.fixture
def next_owner() -> Iterator[Owner]:
    """The process of a later run."""
    process = Owner()
    yield process
    process.kill()


@pytest.fixture
def first_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings without a REDIS_URL on a host where nothing listens on the default port."""
    answers = local_redis._answers
    monkeypatch.setattr(local_redis, "_answers", lambda port: port != 6379 and answers(port))
    settings = Settings(_env_file=None, state_dir=tmp_path / "state")
    yield settings
    wait_until(lambda: not _guards(settings), "the private Redis has ended")


def _guards(settings: Settings) -> list[psutil.Process]:
    """The processes that keep a private Redis of these settings."""
    folder = str(settings.state_dir / "redis")
    return [process for process in psutil.process_iter(["cmdline"]) if folder in (process.info["cmdline"] or ())]


def _config(url: str, name: str) -> str:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return str(client.config_get(name)[name])


def test_a_private_server_forgets_nothing_and_listens_on_loopback_only(first_run: Settings, owner: Owner) -> None:
    url = ensure_redis(first_run, owner.pid)

    assert _config(url, "appendonly") == "yes"
    assert _config(url, "maxmemory-policy") == "noeviction"
    assert _config(url, "bind") == "127.0.0.1"
    assert _config(url, "dir") == str(first_run.state_dir / "redis")


def test_every_process_of_this_user_finds_the_private_server(first_run: Settings, owner: Owner) -> None:
    url = ensure_redis(first_run, owner.pid)

    found = subprocess.check_output([sys.executable, "-c", _FIND, str(first_run.state_dir)], text=True).strip()

    assert found == find_redis_url(first_run) == ensure_redis(first_run, os.getpid()) == url


def test_the_server_ends_with_its_owner_however_that_ends(first_run: Settings, owner: Owner) -> None:
    url = ensure_redis(first_run, owner.pid)
    server = redis.Redis.from_url(url)
    assert server.ping()

    owner.kill()

    wait_until(lambda: not _guards(first_run), "the private Redis has ended")
    with pytest.raises(redis.ConnectionError):
        server.ping()
    assert find_redis_url(first_run) == DEFAULT_URL


def test_what_was_queued_survives_a_restart(first_run: Settings, owner: Owner, next_owner: Owner) -> None:
    with redis.Redis.from_url(ensure_redis(first_run, owner.pid)) as client:
        client.rpush("queue", "task")
    owner.kill()
    wait_until(lambda: not _guards(first_run), "the private Redis has ended")

    with redis.Redis.from_url(ensure_redis(first_run, next_owner.pid)) as client:
        assert client.lrange("queue", 0, -1) == [b"task"]


def test_a_server_that_crashed_is_not_found_any_more(first_run: Settings, owner: Owner) -> None:
    with redis.Redis.from_url(ensure_redis(first_run, owner.pid)) as client:
        server = psutil.Process(client.info("server")["process_id"])

    server.kill()

    wait_until(lambda: find_redis_url(first_run) == DEFAULT_URL, "the crash is noticed")
    assert ensure_redis(first_run, owner.pid) != DEFAULT_URL


@pytest.mark.parametrize(
    "state",
    [
        "",
        "{",
        "[]",
        "null",
        '{"port": 1}',
        '{"port": "x", "pid": 1}',
        pytest.param(json.dumps({"port": 1, "pid": os.getpid()}), id="a process that is no server"),
        json.dumps({"port": 1, "pid": 2**22 + 1}),
        json.dumps({"port": 1, "pid": -1}),
    ],
)
def test_a_state_file_that_names_no_living_server_is_not_believed(state: str, tmp_path: Path) -> None:
    (tmp_path / "redis.json").write_text(state, encoding="utf-8")

    assert find_redis_url(Settings(_env_file=None, state_dir=tmp_path)) == DEFAULT_URL


def test_redis_url_wins_over_everything(first_run: Settings, owner: Owner) -> None:
    ensure_redis(first_run, owner.pid)
    chosen = first_run.model_copy(update={"redis_url": "redis://elsewhere:6379/3"})

    assert ensure_redis(chosen, owner.pid) == find_redis_url(chosen) == "redis://elsewhere:6379/3"


def test_a_redis_on_the_default_port_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_redis, "_answers", lambda port: port == 6379)
    settings = Settings(_env_file=None, state_dir=tmp_path)

    assert ensure_redis(settings, os.getpid()) == DEFAULT_URL
    assert not (tmp_path / "redis.json").exists()


def test_without_any_server_one_line_names_the_choices(
    first_run: Settings, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_redis, "_servers", lambda: iter(()))

    with pytest.raises(InvalidConfiguration) as refusal:
        ensure_redis(first_run, owner.pid)

    message = str(refusal.value)
    assert message.startswith("No Redis answers at redis://127.0.0.1:6379/0 and none is installed: ")
    assert "\n" not in message
    for choice in ("REDIS_URL", "docker compose up -d redis", "WSL", "pip install cluster-manager[local]"):
        assert choice in message


def test_on_windows_the_choices_are_docker_wsl_and_another_host(
    first_run: Settings, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_redis.sys, "platform", "win32")

    with pytest.raises(InvalidConfiguration) as refusal:
        ensure_redis(first_run, owner.pid)

    message = str(refusal.value)
    assert "\n" not in message
    for choice in ("docker compose", "WSL", "set REDIS_URL to a Redis"):
        assert choice in message


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo 'no such option' >server.log; exit 1", "no such option"), ("exit 1", "no log was written")],
)
def test_a_server_that_does_not_start_is_told_with_the_end_of_its_log(
    script: str, said: str, first_run: Settings, owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "redis-server"
    program.write_text(f"#!/bin/sh\ncd {first_run.state_dir / 'redis'}\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(local_redis, "_servers", lambda: iter([str(program)]))

    with pytest.raises(InvalidConfiguration, match=f"The private Redis did not start \\({said}\\)"):
        ensure_redis(first_run, owner.pid)

    assert find_redis_url(first_run) == DEFAULT_URL


@pytest.mark.parametrize(
    ("banner", "is_new_enough"),
    [
        ("Redis server v=5.0.14 sha=0", False),
        ("Redis server v=6.2.6 sha=0", True),
        ("Valkey server v=9.0.1 sha=0", True),
        ("Redis server v=10.0 sha=0", True),
        ("something else", False),
    ],
)
def test_a_server_that_is_too_old_is_passed_over(
    banner: str, is_new_enough: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "redis-server"
    program.write_text(f"#!/bin/sh\necho '{banner}'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    assert (next(local_redis._servers()) == str(program)) == is_new_enough


def test_a_program_that_cannot_be_run_is_passed_over(tmp_path: Path) -> None:
    assert local_redis._version(str(tmp_path / "no-such-server")) == (0,)
