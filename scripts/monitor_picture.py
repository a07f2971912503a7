"""`python -m scripts.monitor_picture`: draws docs/pictures/monitor.svg, the dashboard with example records."""

import asyncio
from pathlib import Path

from monitor.core.snapshot import Liveness, Snapshot, WorkerView
from monitor.tui.app import ClusterMonitor
from settings.records import BEAT_SECONDS, DeviceRecord, ModelRecord, QueueCounts, TaskRecord, WorkerRecord, WorkerState

PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "monitor.svg"

#: Columns and lines of the terminal.
SIZE = (118, 14)

#: For the first reading to come and to be drawn.
SETTLE_SECONDS = 2.0

#: By Redis' clock; the picture shows it in this host's time zone.
NOW = 1_767_268_800.0

GIB = 2**30


class ExampleSource:
    """Gives the same reading each time."""

    address = "127.0.0.1:6379"

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def read(self) -> Snapshot:
        """The example."""
        return self._snapshot


def main() -> None:
    """Writes the picture."""
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(asyncio.run(draw(example_snapshot())), encoding="utf-8")
    print(PICTURE)


async def draw(snapshot: Snapshot) -> str:
    """The dashboard that shows a snapshot, as SVG."""
    app = ClusterMonitor(ExampleSource(snapshot), clock=lambda: 0.0)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(SETTLE_SECONDS)
        return app.export_screenshot(title="python -m monitor")


def example_snapshot() -> Snapshot:
    """A cluster of three hosts: one device works, one loads, one is idle, one host has not beaten lately."""
    rtx, arc = _device("cuda:0", "NVIDIA GeForce RTX 4090", 24, 19.8), _device("xpu:0", "Intel(R) Arc A770", 16, 3.1)
    radeon = _device("directml:0", "AMD Radeon RX 7900 XTX", None, 6.2)
    small = _device("cuda:1", "NVIDIA GeForce RTX 3060", 12, 2.4)
    return Snapshot(
        at=NOW,
        queues=(
            QueueCounts(queue="control", ready=0, running=0, delayed=0, dead=0),
            QueueCounts(queue="inference", ready=1204, running=48, delayed=2, dead=0),
        ),
        workers=(
            _worker("gpu-01-4711", "busy", rtx, 32, ("org/chat-8b", "BAAI/bge-m3")),
            _worker("gpu-01-4712", "loading", small, 16, ("BAAI/bge-m3",), loading="org/reranker"),
            _worker("gpu-02-815", "idle", radeon, 0, ("sentence-transformers/all-MiniLM-L6-v2",)),
            _worker("gpu-03-99", "idle", arc, 0, (), "late", age_seconds=9.0),
        ),
    )


def _device(name: str, label: str, total_gib: float | None, used_gib: float) -> DeviceRecord:
    total = None if total_gib is None else int(total_gib * GIB)
    backend = name.partition(":")[0]
    return DeviceRecord(name=name, backend=backend, label=label, memory_total=total, memory_used=int(used_gib * GIB))


def _worker(
    worker_id: str,
    state: WorkerState,
    device: DeviceRecord,
    tasks: int,
    models: tuple[str, ...],
    liveness: Liveness = "live",
    *,
    loading: str | None = None,
    age_seconds: float = BEAT_SECONDS / 2,
) -> WorkerView:
    host, _, pid = worker_id.rpartition("-")
    record = WorkerRecord(
        worker_id=worker_id,
        host=host,
        pid=int(pid),
        broker_id="example",
        state=state,
        device=device,
        models=tuple(_model(name) for name in models),
        running=(TaskRecord(message_id="example", actor="embed", started_at=NOW),) * tasks,
        loading=loading,
        done=27 * int(pid),
        started_at=NOW - 9_000,
        sent_at=NOW,
    )
    return WorkerView(worker_id, liveness, age_seconds, record)


def _model(name: str) -> ModelRecord:
    return ModelRecord(model=name, revision="main", dtype="float16", bytes=GIB, uses=1, loaded_at=NOW, last_used_at=NOW)


if __name__ == "__main__":
    main()
