import math

import pytest

from monitor.core.snapshot import Liveness, Snapshot, WorkerView
from monitor.core.table import Cell, Table
from monitor.core.worker_table import COLUMNS, NO_WORKERS, worker_table
from settings.records import ModelRecord
from tests.monitor.cluster import DEVICE, model, record


def shown(table: Table, row: int = 0) -> dict[str, str]:
    return {column.title: cell.text for column, cell in zip(COLUMNS, table.rows[row], strict=True)}


def table_of(*workers: WorkerView) -> Table:
    return worker_table(Snapshot(at=7200.0, workers=workers))


def test_a_worker_shows_its_state_device_memory_models_and_work() -> None:
    models: tuple[ModelRecord, ...] = (model("org/old", last_used_at=1), model("org/new", last_used_at=2))

    table = table_of(WorkerView("gpu-01-42", "live", 7199.0, record("gpu-01-42", models=models, done=1204)))

    assert shown(table) == {
        "state": "○ idle",
        "worker": "gpu-01-42",
        "card": "RTX 4090",
        "device": "cuda:0",
        "memory": "12.0/24.0 GiB",
        "used": "50%",
        "GPU": "-",
        "models": "new, old",
        "tasks": "0",
        "done": "1,204",
        "failed": "0",
        "up": "2h00m",
        "seen": "1s",
    }


def test_a_device_that_cannot_tell_its_memory_shows_a_dash() -> None:
    device = DEVICE.model_copy(update={"memory_used": None, "label": "AMD Radeon RX 7900 XTX"})

    row = shown(table_of(WorkerView("w", "live", 1.0, record("w", device=device))))

    assert (row["card"], row["memory"], row["used"]) == ("RX 7900 XTX", "-/24.0 GiB", "-")


def test_a_worker_without_a_device_or_a_readable_start_shows_dashes() -> None:
    row = shown(table_of(WorkerView("w", "live", 1.0, record("w", device=None, started_at=math.nan))))

    assert (row["device"], row["memory"], row["models"], row["up"]) == ("-", "-", "-", "-")


def test_a_model_on_its_way_comes_first_with_a_plus() -> None:
    worker = WorkerView("w", "live", 1.0, record("w", state="loading", loading="org/next", models=(model("org/m"),)))

    row = shown(table_of(worker))

    assert (row["state"], row["models"]) == ("◐ loading", "+ next, m")


@pytest.mark.parametrize(
    ("liveness", "readable", "state"),
    [
        ("late", True, "▲ late"),
        ("late", False, "▲ late"),
        ("lost", False, "✖ lost"),
        ("live", False, "? unknown"),
    ],
)
def test_trouble_is_told_instead_of_what_the_worker_last_said(liveness: Liveness, readable: bool, state: str) -> None:
    view = WorkerView("w", liveness, 60.0, record("w", state="busy") if readable else None)

    assert shown(table_of(view))["state"] == state


def test_workers_in_trouble_come_first_and_the_others_by_name() -> None:
    table = table_of(
        WorkerView("b", "live", 1.0, record("b")),
        WorkerView("a", "live", 1.0, record("a")),
        WorkerView("unknown", "live", 1.0, None),
        WorkerView("late", "late", 9.0, record("late")),
        WorkerView("lost", "lost", 99.0, None),
    )

    assert [shown(table, row)["worker"] for row in range(5)] == ["lost", "late", "unknown", "a", "b"]


def test_an_empty_cluster_says_how_to_start_a_worker() -> None:
    assert table_of().empty == NO_WORKERS
    assert worker_table(Snapshot()).empty == "Waiting for the first answer."


def test_a_worker_in_quarantine_is_shown_as_trouble() -> None:
    table = table_of(WorkerView("w", "live", 1.0, record("w", state="quarantined")))

    assert table.rows[0][0] == Cell("⊘ quarantined", "bad")


def test_how_busy_and_how_hot_the_device_is_stands_in_one_column() -> None:
    for told, text in (((97.0, 61.0), "97% 61°C"), ((97.0, None), "97% -"), ((None, None), "-")):
        device = DEVICE.model_copy(update={"busy_percent": told[0], "temperature_celsius": told[1]})
        assert shown(table_of(WorkerView("w", "live", 1.0, record("w", device=device))))["GPU"] == text
