import math
from dataclasses import replace

import pytest

from monitor.core.model_table import model_table
from monitor.core.model_text import model_text
from monitor.core.observer import Observer
from monitor.core.snapshot import LaneView, Minute, Snapshot, StateChange, Trends, WorkerHistory, WorkerView
from monitor.core.worker_text import worker_text
from tests.monitor.cluster import DEVICE, GIB, model, record


def text_of(cpu_fallbacks: dict[str, int]) -> str:
    device = DEVICE.model_copy(update={"cpu_fallbacks": cpu_fallbacks})
    worker = WorkerView("gpu-01-42", "live", 1.0, record("gpu-01-42", device=device))
    return worker_text(Snapshot(at=0.0, workers=(worker,)), "gpu-01-42", 300.0)


def test_what_the_cpu_computes_for_a_device_is_shown_by_operator() -> None:
    line = "on CPU    for want of a kernel: aten::roll 1,204 times, aten::lerp 3 times"

    assert line in text_of({"aten::lerp": 3, "aten::roll": 1204}).splitlines()


def test_a_device_with_all_kernels_has_no_line_for_them() -> None:
    assert "kernel" not in text_of({})


def text_with(snapshot: Snapshot) -> str:
    return worker_text(snapshot, "gpu-01-42", 300.0)


def test_how_busy_and_hot_the_device_is_and_what_the_host_lends_it_is_shown() -> None:
    told = {"busy_percent": 97.0, "temperature_celsius": 61.4, "activity_source": "NVML"}
    lent = {"memory_shared_used": GIB, "memory_shared_total": 8 * GIB}
    device = DEVICE.model_copy(update={**told, **lent})
    worker = WorkerView("gpu-01-42", "live", 1.0, record("gpu-01-42", device=device))
    text = text_with(Snapshot(at=0.0, workers=(worker,)))

    assert "GPU       97%  61°C (source: NVML)" in text
    assert "lent      1.0/8.0 GiB of the host's RAM" in text


def test_a_cpu_is_not_called_a_gpu() -> None:
    device = DEVICE.model_copy(update={"name": "cpu:0", "backend": "cpu", "label": "AMD EPYC"})
    worker = WorkerView("gpu-01-42", "live", 1.0, record("gpu-01-42", device=device))
    text = text_with(Snapshot(at=0.0, workers=(worker,)))

    assert "device    cpu:0, AMD EPYC" in text
    assert "GPU" not in text


def test_a_device_that_cannot_tell_how_busy_it_is_shows_a_dash_and_never_zero() -> None:
    worker = WorkerView("gpu-01-42", "live", 1.0, record("gpu-01-42"))
    text = text_with(Snapshot(at=0.0, workers=(worker,)))

    assert "GPU       -  - (source: unknown)" in text
    assert "lent" not in text


def test_a_pinned_model_says_so_and_another_when_it_expires() -> None:
    pinned = model("org/a", 990.0).model_copy(update={"is_pinned": True})
    expiring = model("org/b", 980.0).model_copy(update={"expires_at": 1300.0})
    here = record("gpu-01-42", sent_at=1000.0, models=(pinned, expiring, model("org/c")))
    lines = text_with(Snapshot(at=1000.0, workers=(WorkerView("gpu-01-42", "live", 998.0, here),))).splitlines()

    assert [line.rpartition("times")[2] for line in lines if " org/" in line] == [", pinned", ", expires in 4m58s", ""]


def test_a_worker_that_beats_and_takes_nothing_is_told_apart_from_an_idle_one() -> None:
    here = record("gpu-01-42", models=(model("org/a"),), queues=("control", "inference"))
    lane = LaneView("inference.normal.org/a", "inference", "normal", "org/a", ready=40)
    workers = (WorkerView("gpu-01-42", "live", 1.0, here), WorkerView("other", "lost", 90.0))
    snapshot = Snapshot(at=1.0, workers=workers, lanes=(lane,), trends=Trends(passive={"gpu-01-42": 120.0}))

    assert "▲ passive: has taken nothing for 2m00s although 40 tasks wait for what it holds" in text_with(snapshot)
    assert "other" not in text_with(snapshot)


def test_the_last_minutes_are_shown_with_since_when_they_were_watched(utc: None) -> None:
    minutes = (
        Minute(1000.0, 40, 1, 50.0, None, 6 * GIB),
        Minute(1060.0, 80, 0, None, None, None),
        Minute(1120.0, 20, 0, 100.0, 90.0, 12 * GIB),
    )
    changes = (StateChange(1000.0, "loading"), StateChange(1030.0, "serving"))
    history = WorkerHistory(1000.0, minutes, changes, asked_at=1123.0)
    worker = WorkerView("gpu-01-42", "live", 1.0, record("gpu-01-42", queues=("inference",)))
    text = text_with(Snapshot(at=1125.0, workers=(worker,), histories={"gpu-01-42": history}))

    assert "fetching  asked for tasks 2s ago, with nothing in hand" in text
    assert "Last 3 min, watched since 00:16:40" in text
    assert "  done    ▄▇▂ of 100  20 done since 00:18:40, 1 failed in all" in text
    assert "  busy    ▅ █  100% of its beats with tasks in hand" in text
    assert "  GPU       █  90% at most" in text
    assert "  memory  ▃ ▅  12.0 GiB" in text
    assert "  states  serving since 00:17:10\n          00:16:40 loading" in text


def test_what_another_worker_did_is_not_taken_for_its_own() -> None:
    history = WorkerHistory(1000.0, (Minute(1000.0, 40, 1, 50.0, None, None),), ())
    worker = WorkerView("gpu-01-42", "live", 1.0, record("gpu-01-42", queues=("inference",)))
    text = text_with(Snapshot(at=1125.0, workers=(worker,), histories={"gpu-02-7": history}))

    assert "fetching  not known" in text
    assert "Last " not in text


@pytest.mark.parametrize("number", [10**400, -(10**400)])
@pytest.mark.parametrize("percent", [math.inf, math.nan, -1e300])
def test_any_number_in_a_record_is_shown(number: int, percent: float) -> None:
    history = Observer()
    told = {"busy_percent": percent, "temperature_celsius": percent, "memory_used": number, "memory_total": number}
    held = model("org/a", percent).model_copy(update={"expires_at": percent, "uses": number, "bytes": number})
    for second, done in ((0.0, 0), (2.0, number)):
        here = record("gpu-01-42", done=done, device=DEVICE.model_copy(update=told), models=(held,))
        worker = WorkerView("gpu-01-42", "live", 1.0, here)
        snapshot = Snapshot(at=second, workers=(worker,))
        trends = history.observe(snapshot).trends
    past = history.of_worker("gpu-01-42")
    assert past is not None
    snapshot = replace(snapshot, trends=trends, histories={"gpu-01-42": past})

    assert text_with(snapshot).replace("\n", "").isprintable()
    assert model_text(snapshot, "org/a").replace("\n", "").isprintable()
    assert all(cell.text.isprintable() for row in model_table(snapshot).rows for cell in row)
