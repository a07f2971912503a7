"""The demo's cluster: 40 workers that live second by second, in memory."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Lock

from monitor.core.actions import Actions
from monitor.core.demo.actions import DemoActions
from monitor.core.demo.lanes import DemoLanes
from monitor.core.demo.server import DemoServer
from monitor.core.demo.stories import DemoStories
from monitor.core.demo.worker import Card, DemoWorker
from monitor.core.observer import Observer
from monitor.core.snapshot import LaneView, RedisView, Snapshot, WorkerHistory
from monitor.core.source import SourceState
from settings import keys
from settings.lane_names import LaneName
from settings.records import QueueCounts

#: Seconds that have passed when one begins to look: rates are known, and something is wrong already.
HEAD_START_SECONDS = 120.0

#: After a longer sleep of the host the demo goes on where it was.
MOST_SECONDS_AT_ONCE = 600

GIB = 2**30

_CUDA = {"torch": "2.11.0+cu128", "transformers": "5.16.0"}
_DIRECTML = {"torch": "2.4.1", "torch-directml": "0.2.5", "transformers": "5.13.1"}

#: A host's two devices and their models; a cluster is many such hosts.
_RTX_4090 = Card("cuda", "NVIDIA GeForce RTX 4090", 24, _CUDA)
_RX_7900 = Card("directml", "AMD Radeon RX 7900 XTX", 24, _DIRECTML)
_ARC_A770 = Card("directml", "Intel(R) Arc(TM) A770 Graphics", 16, _DIRECTML)
_RTX_3060 = Card("cuda", "NVIDIA GeForce RTX 3060", 12, _CUDA)
_CHAT, _EMBEDDING = ("Qwen/Qwen3-8B", "BAAI/bge-m3"), ("BAAI/bge-m3", "BAAI/bge-reranker-v2-m3")
_PICTURE, _SPEECH = "stabilityai/sdxl-turbo", "openai/whisper-large-v3"

_DEVICES: tuple[tuple[Card, tuple[str, ...]], ...] = (
    *[(_RTX_4090, _CHAT)] * 8,
    *[(_RX_7900, _CHAT)] * 6,
    *[(_ARC_A770, (_PICTURE, "BAAI/bge-m3"))] * 8,
    *[(_ARC_A770, _EMBEDDING)] * 6,
    *[(_RTX_3060, (_SPEECH, "BAAI/bge-reranker-v2-m3"))] * 8,
    *[(_RTX_3060, (_PICTURE, _SPEECH))] * 3,
)


class DemoSource:
    """Readings of a cluster that is not there; the same seed and clock give the same readings."""

    address: str = "a simulated cluster"
    state: SourceState = "demo"

    def __init__(
        self, clock: Callable[[], float] = time.time, seed: int = 1, head_start_seconds: float = HEAD_START_SECONDS
    ) -> None:
        chance = random.Random(seed)
        self._clock, self._lanes, self._observer = clock, DemoLanes(chance), Observer()
        self._workers = [*_workers(chance)]
        #: Held while time passes or somebody changes something: they are other threads.
        self._lock = Lock()
        self._server = DemoServer()
        self.tasks = DemoStories(self._lanes, self._workers, self._lock)
        self.operator = DemoActions(self._lanes, self._workers, clock, self._lock)
        self._page = self._about = ""
        self._begins = self._now = clock() - head_start_seconds
        for worker in self._workers:
            worker.start(self._now)

    @property
    def actions(self) -> Actions:
        """What can be done to it besides dead letters."""
        return Actions(self.operator, self.operator, self.operator)

    def watch(self, page: str, about: str = "") -> None:
        """Which page is open; what only one page shows is told while it is open, as of a Redis."""
        self._page, self._about = page, about

    def read(self) -> Snapshot:
        """Lets the time pass that has passed, and tells how things are."""
        with self._lock:
            now = self._clock()
            if (behind := now - self._now - MOST_SECONDS_AT_ONCE) > 0:
                self._begins, self._now = self._begins + behind, self._now + behind
            while self._now + 1.0 <= now:
                self._now += 1.0
                self._step()
            self.tasks.now = now
            return self._with_page(self._told(now))

    def _step(self) -> None:
        second = self._now - self._begins
        self._lanes.step(second, self._now)
        for worker in self._workers:
            worker.step(second, self._now, self._lanes)
        self._told(self._now)

    def _told(self, now: float) -> Snapshot:
        running = Counter(task.model or "" for worker in self._workers for task in worker.running)
        own = (LaneView(name, name) for name in (keys.CONTROL_QUEUE, keys.INFERENCE_QUEUE))
        lanes = tuple(sorted((*own, *self._lanes.views(running, now)), key=lambda lane: (lane.queue, lane.model or "")))
        queues = tuple(_count(queue, lanes) for queue in (keys.CONTROL_QUEUE, keys.INFERENCE_QUEUE))
        memory = RedisView("7.4.5", (180 + sum(lane.ready for lane in lanes) // 16) * 2**20, 4 * GIB, "noeviction")
        workers = tuple(worker.view(now) for worker in self._workers)
        snapshot = Snapshot(now, queues, workers, None, lanes, memory)
        paused, audit = dict(self._lanes.paused), tuple(self.operator.audit)
        return replace(self._observer.observe(snapshot), paused=paused, audit=audit)

    def _with_page(self, snapshot: Snapshot) -> Snapshot:
        match self._page:
            case "tasks":
                return replace(snapshot, tasks=self.tasks.listed(None))
            case "lane":
                lane = LaneName.parse(self._about)
                listed, capacity = self.tasks.listed(lane), self.tasks.capacity(lane.model or "")
                return replace(snapshot, tasks=listed, capacities={lane.model or "": capacity})
            case "worker":
                return replace(snapshot, histories=self._told_of_worker(self._about))
            case "redis":
                return replace(snapshot, server=self._server.view(snapshot, self._now - self._begins))
        return snapshot

    def _told_of_worker(self, worker_id: str) -> dict[str, WorkerHistory]:
        asked_at = next((worker.asked_at for worker in self._workers if worker.worker_id == worker_id), None)
        history = self._observer.of_worker(worker_id)
        return {worker_id: replace(history, asked_at=asked_at)} if history else {}


def _workers(chance: random.Random) -> Iterator[DemoWorker]:
    for number, (card, models) in enumerate(_DEVICES):
        yield DemoWorker(number, f"gpu-{number // 2 + 1:02}", card, models, chance)
    yield DemoWorker(len(_DEVICES), "hub", None, (), chance)


def _count(queue: str, lanes: tuple[LaneView, ...]) -> QueueCounts:
    own = [lane for lane in lanes if lane.queue == queue]
    return QueueCounts(
        queue=queue,
        ready=sum(lane.ready for lane in own),
        running=sum(lane.running for lane in own),
        delayed=sum(lane.delayed for lane in own),
        dead=sum(lane.dead for lane in own),
    )
