from monitor.core.snapshot import Snapshot, WorkerView
from monitor.core.worker_text import worker_text
from tests.monitor.cluster import DEVICE, record


def text_of(cpu_fallbacks: dict[str, int]) -> str:
    device = DEVICE.model_copy(update={"cpu_fallbacks": cpu_fallbacks})
    worker = WorkerView("gpu-01-42", "live", 1.0, record("gpu-01-42", device=device))
    return worker_text(Snapshot(at=0.0, workers=(worker,)), "gpu-01-42", 300.0)


def test_what_the_cpu_computes_for_a_device_is_shown_by_operator() -> None:
    line = "on CPU    for want of a kernel: aten::roll 1,204 times, aten::lerp 3 times"

    assert line in text_of({"aten::lerp": 3, "aten::roll": 1204}).splitlines()


def test_a_device_with_all_kernels_has_no_line_for_them() -> None:
    assert "kernel" not in text_of({})
