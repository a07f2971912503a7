import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from actors.demo.models import CLASSIFIER, SHIPPED_MODELS
from monitor.core.snapshot import Snapshot, WorkerView
from monitor.core.source import RedisSource
from scripts.cluster_checks.workers import check_workers
from settings import keys
from settings.config import Settings
from settings.records import ClusterHealth
from tests.monitor.cluster import DEVICE, Cluster, record
from tests.waiting import wait_until


@pytest.fixture
def cluster(queue_redis: redis.Redis) -> Cluster:
    """Workers that are nothing but a record."""
    return Cluster(queue_redis)


@pytest.fixture
def model_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder with the project's own small models, also in the environment."""
    folder = tmp_path / "models"
    shutil.copytree(SHIPPED_MODELS, folder)
    monkeypatch.setenv("MODEL_MANAGER_PATH", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_DEVICES", "cpu")


@contextmanager
def running_workers(settings: Settings, repository: Path, *devices: str) -> Iterator[list[str]]:
    """Real workers, one for each device, and their names."""
    command, cluster = [sys.executable, "-m", "dramatiq", "actors", "-p", "1"], RedisSource(settings)
    processes = [
        subprocess.Popen(command, cwd=repository, env={**os.environ, "GPU_DEVICES": device}) for device in devices
    ]
    try:
        wait_until(lambda: _states(cluster) == ["idle"] * len(devices), "the workers are idle", timeout_seconds=60)
        yield [worker.worker_id for worker in cluster.read().workers]
    finally:
        cluster.close()
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=60)


def _states(cluster: RedisSource) -> list[str]:
    return [worker.record.state for worker in cluster.read().workers if worker.record]


def validate(repository: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Runs the script as an operator does, from elsewhere."""
    command = [sys.executable, repository / "scripts" / "validate_cluster.py", *options]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=100)


def checks_of(repository: Path, *options: str) -> dict[str, Any]:
    """The checks by their names."""
    done = validate(repository, "--json", *options)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["ok"] == (done.returncode == 0)
    return {check["name"]: check for check in report["checks"]}


def test_without_redis_one_line_says_so_and_the_exit_code_is_2(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:secret@127.0.0.1:1/0")

    done = validate(repository)

    settings, failure, mend = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (2, "")
    assert settings.startswith("ok ")
    assert failure.startswith("failed   redis                          does not answer at 127.0.0.1:1: ")
    assert mend.startswith("         -> set REDIS_URL to a Redis 6.2 or newer")
    assert "secret" not in done.stdout


def test_a_setting_that_cannot_be_used_is_a_failed_check(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_DEVICES", "nonsense")

    done = validate(repository)

    assert done.returncode == 1
    assert done.stdout.startswith("failed   settings                       Configuration: GPU_DEVICES=nonsense is not")


def test_a_redis_without_workers_is_a_failure_that_says_how_to_start_one(
    repository: Path, settings: Settings, model_store: Path
) -> None:
    done = validate(repository)

    assert done.returncode == 1
    assert "failed   workers                        there is none\n" in done.stdout
    assert "-> start one on each GPU host: start_worker.sh, on Windows start_worker.bat" in done.stdout
    assert "skipped  scheduler                      its jobs are done by workers, and there is none" in done.stdout


def test_a_redis_that_evicts_is_a_failure_with_the_command_that_mends_it(
    repository: Path, settings: Settings, queue_redis: redis.Redis
) -> None:
    queue_redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        eviction = checks_of(repository)["eviction"]
    finally:
        queue_redis.config_set("maxmemory-policy", "noeviction")

    assert eviction["status"] == "failed"
    assert eviction["detail"] == "maxmemory-policy allkeys-lru drops tasks when memory is short"
    assert "redis-cli CONFIG SET maxmemory-policy noeviction" in eviction["mend"]


def test_a_redis_that_writes_nothing_to_disk_is_a_warning(repository: Path, settings: Settings) -> None:
    persistence = checks_of(repository)["persistence"]

    assert persistence["status"] == "warning"
    assert "redis-cli CONFIG SET appendonly yes" in persistence["mend"]


def test_a_result_database_that_does_not_answer_is_a_failure(
    repository: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESULT_BACKEND_URL", "redis://127.0.0.1:1/0")

    assert checks_of(repository)["results"]["status"] == "failed"


def test_a_complete_model_folder_is_counted(repository: Path, settings: Settings, model_store: Path) -> None:
    store = checks_of(repository)["model store"]

    assert store["status"] == "ok"
    assert f"2 models in {model_store}" in store["detail"]


def test_a_model_with_a_part_missing_is_a_warning(repository: Path, settings: Settings, model_store: Path) -> None:
    (model_store / CLASSIFIER / "model.safetensors").unlink()

    store = checks_of(repository)["model store"]

    assert store["status"] == "warning"
    assert f"{CLASSIFIER}: model.safetensors is missing" in store["detail"]


def test_an_empty_model_folder_is_a_failure(
    repository: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_MANAGER_PATH", str(tmp_path))

    store = checks_of(repository)["model store"]

    assert store["status"] == "failed"
    assert "it is empty" in store["detail"]


def test_a_model_in_the_hubs_layout_is_found(repository: Path, settings: Settings, model_store: Path) -> None:
    hub_folder = model_store / "models--org--a-model"
    shutil.copytree(model_store / CLASSIFIER, hub_folder / "snapshots" / "abc")
    (hub_folder / "refs").mkdir()
    (hub_folder / "refs" / "main").write_text("abc")

    checks = checks_of(repository, "--model", "org/a-model")

    assert checks["model store"]["detail"].startswith("3 models in")
    assert checks["model"]["detail"].startswith("org/a-model@abc, ")


def test_a_part_of_a_model_is_not_a_model(repository: Path, settings: Settings, model_store: Path) -> None:
    shutil.copytree(model_store / CLASSIFIER, model_store / "plain")
    (model_store / "plain" / "1_Pooling").mkdir()
    (model_store / "plain" / "1_Pooling" / "config.json").write_text("{}")

    assert checks_of(repository)["model store"]["detail"].startswith("3 models in")


def test_a_model_that_is_not_there_is_a_failure(repository: Path, settings: Settings, model_store: Path) -> None:
    model = checks_of(repository, "--model", "org/missing")["model"]

    assert (model["status"], model["detail"]) == ("failed", "org/missing is not in the model store")


def test_a_device_that_this_host_lacks_is_a_failure_with_the_reason(
    repository: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_DEVICES", "cpu,directml:63")

    checks = checks_of(repository)

    assert checks["device cpu:0"]["status"] == "ok"
    assert checks["device directml:63"]["status"] == "failed"
    assert checks["device directml:63"]["detail"]


def test_a_worker_that_missed_its_beats_is_a_failure(repository: Path, cluster: Cluster) -> None:
    cluster.beat("gpu-01-42", age_seconds=20)

    assert checks_of(repository)["worker gpu-01-42"]["status"] == "failed"


def test_a_worker_that_is_gone_is_a_warning_and_no_worker(repository: Path, cluster: Cluster) -> None:
    cluster.vanish("gpu-01-42", age_seconds=60)

    checks = checks_of(repository)

    assert checks["worker gpu-01-42"]["status"] == "warning"
    assert checks["workers"]["status"] == "failed"


def test_a_worker_without_a_device_is_not_asked(repository: Path, cluster: Cluster, model_store: Path) -> None:
    cluster.beat("gpu-01-42", state="standby", device=None)

    worker = checks_of(repository)["worker gpu-01-42"]

    assert (worker["status"], worker["detail"]) == ("skipped", "takes no inference tasks while it is standby")


def test_a_worker_in_quarantine_is_a_warning_that_says_how_to_lift_it(
    repository: Path, cluster: Cluster, model_store: Path
) -> None:
    cluster.beat("gpu-01-42", state="quarantined")

    worker = checks_of(repository)["worker gpu-01-42"]

    assert (worker["status"], worker["detail"]) == (
        "warning",
        "its device is in quarantine: different tasks failed on it",
    )
    assert "`redis-cli DEL cm:quarantine:gpu-01/cuda:0`" in worker["mend"]


def test_operators_that_the_cpu_computes_for_a_worker_are_a_warning_that_names_them(settings: Settings) -> None:
    device = DEVICE.model_copy(update={"cpu_fallbacks": {"aten::roll": 1204}})
    slow, fast = record("gpu-01-42", device=device), record("gpu-01-43")
    snapshot = Snapshot(at=2.0, workers=tuple(WorkerView(each.worker_id, "live", 1.0, each) for each in (slow, fast)))

    (warning,) = [
        check for check in check_workers(settings, snapshot, trial=None, timeout=1) if check.status == "warning"
    ]

    assert warning.name == "kernels gpu-01-42"
    assert warning.detail.endswith("no kernel for: aten::roll 1,204 times")


def test_a_worker_that_does_not_answer_in_time_is_a_failure(
    repository: Path, cluster: Cluster, model_store: Path
) -> None:
    cluster.beat("gpu-01-42")

    worker = checks_of(repository, "--timeout", "0.5")["worker gpu-01-42"]

    assert worker["status"] == "failed"
    assert worker["detail"] == f"has not answered classify with {CLASSIFIER} within 0.5 s"


@pytest.mark.parametrize(("age_seconds", "status"), [(30, "ok"), (200, "failed")])
def test_the_scheduler_is_judged_by_the_age_of_the_clusters_summary(
    repository: Path, cluster: Cluster, queue_redis: redis.Redis, age_seconds: int, status: str
) -> None:
    cluster.beat("gpu-01-42")
    at = queue_redis.time()[0] - age_seconds
    summary = ClusterHealth(at=at, queues=(), workers=1, workers_late=0, devices=1, busy=0, models={})
    queue_redis.set(keys.HEALTH, summary.to_json(), ex=300)

    assert checks_of(repository)["scheduler"]["status"] == status


def test_a_cluster_without_a_scheduler_is_a_failure(repository: Path, cluster: Cluster) -> None:
    cluster.beat("gpu-01-42")

    scheduler = checks_of(repository)["scheduler"]

    assert scheduler["status"] == "failed"
    assert "docker compose up -d scheduler" in scheduler["mend"]


def test_each_real_worker_does_a_task_and_is_named(repository: Path, settings: Settings, model_store: Path) -> None:
    with running_workers(settings, repository, "cpu:0", "cpu:1") as names:
        checks = checks_of(repository, "--model", CLASSIFIER)

    answers = [checks[f"worker {name}"] for name in names]
    assert [answer["status"] for answer in answers] == ["ok", "ok"]
    assert {answer["detail"].split(" in ")[0] for answer in answers} == {
        f"did classify with {CLASSIFIER} on cpu:0",
        f"did classify with {CLASSIFIER} on cpu:1",
    }
    assert checks["device cpu:0"]["detail"].startswith("in use by ")


def test_a_worker_that_cannot_find_the_model_is_a_failure_with_its_reason(
    repository: Path, settings: Settings, model_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("MODEL_MANAGER_PATH", str(tmp_path / "empty"))

    with running_workers(settings, repository, "cpu") as (name,):
        monkeypatch.setenv("MODEL_MANAGER_PATH", str(model_store))
        worker = checks_of(repository)[f"worker {name}"]

    assert worker["status"] == "failed"
    assert f"{CLASSIFIER} is not in the model store" in worker["detail"]
    assert "share the same model folder with every worker" in worker["mend"]


def test_the_checks_import_no_torch(repository: Path) -> None:
    look = "import sys, scripts.cluster_checks.cluster; print('torch' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", look], cwd=repository, capture_output=True, text=True, timeout=60)

    assert done.stdout == "False\n"
