"""A worker of the demo: it holds models, takes their tasks and beats."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.core.demo.incidents import Kind, happening
from monitor.core.demo.lanes import MODELS, DemoLanes
from monitor.core.snapshot import WorkerView, judge_liveness
from settings import keys
from settings.records import (
    BEAT_SECONDS,
    RECORD_TTL_SECONDS,
    DeviceRecord,
    ModelRecord,
    TaskRecord,
    WorkerRecord,
    WorkerState,
)

GIB = 2**30

#: What a process takes on a device besides its models.
OVERHEAD_GIB = 0.9

#: Where models are changed in turns, one stays for so long, of which loading takes a part.
TURN_SECONDS, LOAD_SECONDS = 10, 4

#: The share of a device's memory that models may take.
BUDGET_SHARE = 0.9

#: The numbers of the workers that are told to keep their first model.
PINNING = (0, 1)

#: The clock of a host without a time service.
SKEW_SECONDS = 42.0


@dataclass(frozen=True)
class Card:
    """A device as its backend names it."""

    backend: str
    label: str
    gibibytes: int
    software: dict[str, str]


class DemoWorker:
    """One process; without a card it serves the control queue alone."""

    def __init__(self, number: int, host: str, card: Card | None, models: Sequence[str], chance: random.Random) -> None:
        self._number, self._host, self._card, self._names = number, host, card, tuple(models)
        self._chance, self._pid = chance, 1000 + 37 * number
        self.worker_id = f"{host}-{self._pid}"
        self.device = f"{card.backend}:{number % 2}" if card else ""
        self._begins = 0.0
        self._held: dict[str, ModelRecord] = {}
        self._running: list[tuple[float, TaskRecord]] = []
        self._done, self._failed = 40_000 + 613 * number, number % 3
        self._loading: str | None = None
        self.is_draining = False
        """Set while somebody wants it to take no tasks."""
        self.asked_at: float | None = None
        """When it last looked for tasks with nothing in hand; None while it has some."""
        self._state: WorkerState = "idle"
        self._beat, self._record = 0.0, self._written(0.0, 0.0)

    @property
    def running(self) -> list[TaskRecord]:
        """The tasks in hand."""
        return [task for _, task in self._running]

    def start(self, now: float) -> None:
        """Begins to hold its models."""
        self._begins = now - 7_000 - 4_099 * self._number
        for name in self._names[:1] if self._takes_turns else self._names:
            self._hold(name, now - 600 - 37 * self._number)
        if self._number in PINNING:
            self.pin(self._names[0], now)
        self._write(0.0, now)

    def step(self, second: float, now: float, lanes: DemoLanes) -> None:
        """Lives for a second, unless it is silent."""
        if self._concerns("silent", second):
            if now - self._beat > RECORD_TTL_SECONDS:
                lanes.give_back(self.running)
                self._running.clear()
            return
        self._finish(now, lanes)
        self._change_models(second, now)
        is_healthy = not self._concerns("quarantine", second)
        takes_none = self.is_draining or self._concerns("hung", second)
        if is_healthy and self._loading is None and not takes_none:
            self._take(now, lanes)
            self.asked_at = None if self._running else now
        self._state = self._judge(is_healthy)
        if (int(second) + self._number) % BEAT_SECONDS < 1:
            self._write(second, now)

    def view(self, now: float) -> WorkerView:
        """The worker as Redis tells of it."""
        age = max(0.0, now - self._beat)
        has_record = age <= RECORD_TTL_SECONDS
        record = self._record if has_record else None
        return WorkerView(
            self.worker_id,
            judge_liveness(age, has_record),
            self._beat,
            record,
            record.sent_at - self._beat if record else None,
        )

    def has_room_for(self, name: str) -> bool:
        """Whether a model fits beside what it holds."""
        held = sum(MODELS[each].gibibytes for each in self._held)
        return self._card is not None and held + MODELS[name].gibibytes <= BUDGET_SHARE * self._card.gibibytes

    def holds(self, name: str) -> bool:
        """Whether a model is in its memory."""
        return name in self._held

    def load(self, name: str, now: float) -> None:
        """Holds a model from now on."""
        if name not in self._held:
            self._hold(name, now)

    def unload(self, name: str, lanes: DemoLanes) -> None:
        """Holds a model no longer; its tasks in hand wait again."""
        lanes.give_back(task for task in self.running if task.model == name)
        self._running = [(ends, task) for ends, task in self._running if task.model != name]
        self._held.pop(name, None)

    def pin(self, name: str, now: float) -> None:
        """Holds a model, and says that it stays."""
        self.load(name, now)
        self._held[name] = self._held[name].model_copy(update={"is_pinned": True})

    def unpin(self, name: str) -> None:
        """No longer says so."""
        if name in self._held:
            self._held[name] = self._held[name].model_copy(update={"is_pinned": False})

    def recycle(self, now: float, lanes: DemoLanes) -> None:
        """Begins anew with what it held; the process is told of by the same id."""
        lanes.give_back(self.running)
        self._running.clear()
        self._begins, self._done, self._failed, self.is_draining = now, 0, 0, False
        for name in self._held:
            self._hold(name, now)

    @property
    def _takes_turns(self) -> bool:
        """Whether its models do not fit together."""
        return self._card is not None and sum(MODELS[name].gibibytes for name in self._names) > self._card.gibibytes - 2

    def _concerns(self, kind: Kind, second: float) -> bool:
        return any(each.worker == self._number for each in happening(kind, second))

    def _finish(self, now: float, lanes: DemoLanes) -> None:
        ended = sum(ends <= now for ends, _ in self._running)
        lanes.end((task for ends, task in self._running if ends <= now), self.worker_id, self.device, now)
        self._running = [(ends, task) for ends, task in self._running if ends > now]
        self._done += ended
        self._failed += ended > 0 and self._chance.random() < 1 / 800

    def _change_models(self, second: float, now: float) -> None:
        if not self._takes_turns or not self._concerns("thrash", second):
            return
        turn, place = divmod(int(second), TURN_SECONDS)
        wanted = self._names[turn % len(self._names)]
        if place < LOAD_SECONDS:
            self._loading, self._held = wanted, {}
        elif self._loading is not None:
            self._loading = None
            self._hold(wanted, now)

    def _hold(self, name: str, now: float) -> None:
        size = int(MODELS[name].gibibytes * GIB)
        self._held[name] = ModelRecord(
            model=name, revision="main", dtype="float16", bytes=size, uses=0, loaded_at=now, last_used_at=now
        )

    def _take(self, now: float, lanes: DemoLanes) -> None:
        for name, held in self._held.items():
            room = MODELS[name].batch - sum(task.model == name for task in self.running)
            for task in lanes.take(name, room, now):
                self._running.append((now + MODELS[name].seconds_per_task * self._chance.uniform(0.6, 1.4), task))
            if any(task.model == name for task in self.running):
                used = {"uses": held.uses + 1, "last_used_at": now}
                self._held[name] = held.model_copy(update=used)

    def _judge(self, is_healthy: bool) -> WorkerState:
        if self._card is None:
            return "control"
        if not is_healthy:
            return "quarantined"
        if self.is_draining:
            return "draining"
        if self._loading is not None:
            return "loading"
        return "busy" if self._running else "idle"

    def _write(self, second: float, now: float) -> None:
        self._beat, self._record = now, self._written(second, now)

    def _written(self, second: float, now: float) -> WorkerRecord:
        sent_at = now + (SKEW_SECONDS if self._concerns("skew", second) else 0.0)
        return WorkerRecord(
            worker_id=self.worker_id,
            host=self._host,
            pid=self._pid,
            broker_id=f"{self._number:032x}",
            state=self._state,
            device=self._device(second),
            models=tuple(self._held.values()),
            running=tuple(self.running),
            loading=self._loading,
            queues=(keys.CONTROL_QUEUE,) if self._card is None else (keys.CONTROL_QUEUE, keys.INFERENCE_QUEUE),
            done=self._done,
            failed=self._failed,
            rss_bytes=(1_900 + 13 * self._number) * 2**20,
            software={"cluster-manager": "0.1.0", **(self._card.software if self._card else {})},
            started_at=self._begins,
            sent_at=sent_at,
        )

    def _device(self, second: float) -> DeviceRecord | None:
        if (card := self._card) is None:
            return None
        total = card.gibibytes * GIB
        used = int((OVERHEAD_GIB + 0.02 * len(self._running)) * GIB) + sum(held.bytes for held in self._held.values())
        if self._concerns("full", second):
            used = int(0.97 * total)
        is_nvidia = card.backend == "cuda"
        return DeviceRecord(
            name=self.device,
            backend=card.backend,
            label=card.label,
            memory_total=total,
            memory_used=min(used, total),
            memory_source="nvml" if is_nvidia else "pdh",
            busy_percent=min(100.0, 11.0 * len(self._running)) if is_nvidia else None,
            temperature_celsius=41.0 + 3 * min(10, len(self._running)) if is_nvidia else None,
            activity_source="NVML" if is_nvidia else None,
            models_budget=int(BUDGET_SHARE * total),
        )
