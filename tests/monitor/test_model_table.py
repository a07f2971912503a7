"""The Models page, and what enter on a model opens."""

from dataclasses import replace

from monitor.core.model_table import model_table
from monitor.core.model_text import model_text
from monitor.core.snapshot import Snapshot, Trends, WorkerView
from monitor.core.view import View
from settings.records import ModelRecord
from tests.monitor.cluster import model, record


def holding(worker_id: str, *models: ModelRecord, age_seconds: float = 0.0) -> WorkerView:
    return WorkerView(worker_id, "live", 1000.0 - age_seconds, record(worker_id, models=models, sent_at=1000.0))


def row(snapshot: Snapshot, name: str = "org/a") -> dict[str, str]:
    table = model_table(snapshot)
    cells = table.rows[list(table.ids).index(name)]
    return {column.title: cell.text for column, cell in zip(table.columns, cells, strict=True)}


PINNED = model("org/a", 990.0).model_copy(update={"is_pinned": True})
EXPIRING = model("org/a", 400.0).model_copy(update={"expires_at": 1250.0})
UNPINNED = model("org/a", 400.0)


def test_a_model_tells_when_it_was_used_last_in_each_place() -> None:
    shown = row(Snapshot(at=1000.0, workers=(holding("w1", UNPINNED), holding("w2", PINNED))))

    assert shown["last used"] == "10s-10m"
    assert shown["where"] == "w2 10s, w1 10m00s"


def test_a_pinned_model_says_so_and_another_how_long_it_stays() -> None:
    assert row(Snapshot(at=1000.0, workers=(holding("w1", PINNED),)))["stays"] == "pinned"
    assert row(Snapshot(at=1000.0, workers=(holding("w1", PINNED), holding("w2", EXPIRING))))["stays"] == "pinned 1"
    assert row(Snapshot(at=1000.0, workers=(holding("w1", EXPIRING, age_seconds=10.0),)))["stays"] == "4m00s"
    assert row(Snapshot(at=1000.0, workers=(holding("w1", EXPIRING), holding("w2", UNPINNED))))["stays"] == "-"


def test_loads_unloads_swaps_and_hits_name_the_time_that_was_watched() -> None:
    trends = Trends(
        loads={"org/a": 2}, unloads={"org/a": 3}, swaps={"org/a": 1}, uses={"org/a": 40}, watched_seconds=120
    )
    snapshot = Snapshot(at=1000.0, workers=(holding("w1", UNPINNED),), trends=trends)
    shown = row(snapshot)

    assert (shown["hits"], shown["loads"], shown["unloads"], shown["swaps/h"]) == ("95%", "2", "3", "30")
    assert model_table(snapshot).note == "hits to swaps/h: last 2m00s"
    assert row(replace(snapshot, trends=replace(trends, watched_seconds=59)))["swaps/h"] == "-"
    assert row(replace(snapshot, trends=Trends()))["hits"] == "-"


def test_a_model_that_thrashes_says_so_on_its_row() -> None:
    snapshot = Snapshot(
        at=1000.0, workers=(holding("w1", UNPINNED, model("org/b")),), trends=Trends(loads={"org/a": 6})
    )

    assert row(snapshot)["state"] == "▲ thrash"
    assert row(snapshot, "org/b")["state"] == "-"
    assert model_table(snapshot, View(words="thrash")).ids == ("org/a",)
    assert "state" not in row(replace(snapshot, trends=Trends()))


def test_an_open_model_tells_who_holds_it_and_for_how_long() -> None:
    snapshot = Snapshot(at=1000.0, workers=(holding("w1", EXPIRING), holding("w2", PINNED)))
    lines = model_text(snapshot, "org/a").splitlines()
    first, second = (line.split() for line in lines if line.startswith(("w1", "w2")))

    assert first[0] == "w2"
    assert "pinned" in first
    assert second[0] == "w1"
    assert second[4:8] == ["GiB", "10m00s", "1", "4m10s"]


def test_a_model_that_has_gone_says_so() -> None:
    assert model_text(Snapshot(at=1.0), "org/a") == "This model is not in memory, and no task waits for it."
