"""What is wrong with single workers."""

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

from monitor.core.changes import ChangeWatch
from monitor.core.formatting import format_age, format_bytes, format_memory
from monitor.core.on_demand import OnDemand
from monitor.core.snapshot import Liveness, Snapshot, WorkerView
from monitor.core.trouble import Trouble
from settings.arriving import arriving_on
from settings.records import DeviceRecord, WorkerRecord

#: Those that do not beat.
SILENT: tuple[Liveness, ...] = ("lost", "late")

#: The order of silent workers.
_SINCE = attrgetter("beat_at", "worker_id")

#: More than this share of a device's memory in use is told.
FULL_PERCENT = 95

#: A host's clock may be off by so much; a beat on a slow link takes a while too.
CLOCK_SECONDS = 5.0


class WorkerTroubles:
    """Looks once at what a worker has told, however often it is read: of thousands, most have not beaten since."""

    def __init__(self, task_seconds: float) -> None:
        self._task_seconds = task_seconds
        self._changes = ChangeWatch()
        self._silent: dict[str, WorkerView] = {}
        self._told: dict[str, tuple[Trouble, ...]] = {}

    def find_told(self, snapshot: Snapshot) -> Iterator[Trouble]:
        """What workers have told, by their names; a late one may have told of trouble before it fell silent."""
        self._observe(snapshot)
        for worker_id in sorted(self._told):
            yield from self._told[worker_id]

    def find_silent(self, snapshot: Snapshot) -> dict[str, Sequence[Trouble]]:
        """The lost and the late workers, first those that have been silent for longest."""
        self._observe(snapshot)
        silent = sorted(self._silent.values(), key=_SINCE)
        return {
            liveness: OnDemand(
                [worker for worker in silent if worker.liveness == liveness],
                lambda worker: _of_silence(worker, format_age(worker.age_seconds(snapshot.at))),
            )
            for liveness in SILENT
        }

    def _observe(self, snapshot: Snapshot) -> None:
        changes = self._changes.compare(snapshot)
        for worker in changes.left:
            self._forget(worker)
        for _, worker in changes.pairs:
            self._forget(worker)
            if worker.liveness in SILENT:
                self._silent[worker.worker_id] = worker
            if told := tuple(_of_told(worker, self._task_seconds)):
                self._told[worker.worker_id] = told

    def _forget(self, worker: WorkerView) -> None:
        self._silent.pop(worker.worker_id, None)
        self._told.pop(worker.worker_id, None)


def _of_silence(worker: WorkerView, age: str) -> Trouble:
    if worker.liveness == "lost":
        text = f"last beat {age} ago, no goodbye: its process or host has died; others run its tasks again, see its log"
        return Trouble("bad", "lost", worker.worker_id, text)
    text = f"no beat for {age}: a driver call holds the process, or its host or link is overloaded"
    return Trouble("warn", "late", worker.worker_id, text)


def _of_told(worker: WorkerView, task_seconds: float) -> Iterable[Trouble]:
    if worker.liveness == "lost":
        return ()
    if (record := worker.record) is not None:
        return _of_record(worker, record, task_seconds)
    text = "beats, but its record is of another version: update the older side"
    return (Trouble("warn", "version", worker.worker_id, text),)


def _of_record(worker: WorkerView, record: WorkerRecord, task_seconds: float) -> Iterator[Trouble]:
    name, device = worker.worker_id, record.device
    if record.state == "quarantined":
        text = "different tasks failed on its device, so it takes none now; see its log, driver and cooling"
        yield Trouble("bad", "quarantine", name, text)
    for task in record.running:
        is_young = record.sent_at - task.started_at <= task_seconds
        if is_young or record.loading or arriving_on(record, task.model):
            continue
        # All times are by the worker's own clock. Loading does not count.
        since = max([task.started_at, *(model.loaded_at for model in record.models)])
        if (seconds := record.sent_at - since) > task_seconds:
            text = f"runs {task.actor} {task.message_id[:8]} for {format_age(seconds)}, longer than TASK_TIMEOUT allows"
            yield Trouble("bad", "stuck", name, f"{text}: the device hangs; end the process, its tasks go to others")
            break
    if device and _is_full(device):
        used = format_memory(device.memory_used, device.memory_total)
        text = f"{used} used on {device.name}: a load may fail; close other programs or lower GPU_MEMORY_FRACTION"
        yield Trouble("warn", "memory", name, text)
    if device and device.memory_unreturned:
        left = f"unloaded models left {format_bytes(device.memory_unreturned)} taken on {device.name}"
        yield Trouble("warn", "leak", name, f"{left} until the process ends: recycle it, if it does not end when idle")
    if (offset := worker.clock_offset_seconds) is not None and abs(offset) > CLOCK_SECONDS:
        direction = "ahead" if offset > 0 else "behind"
        text = f"its clock is {format_age(abs(offset))} {direction}: start the host's time service; deadlines are wrong"
        yield Trouble("warn", "clock", name, text)


def _is_full(device: DeviceRecord) -> bool:
    used, total = device.memory_used, device.memory_total
    return used is not None and total is not None and 100 * used > FULL_PERCENT * total > 0
