"""The demo's cluster: 40 workers that live second by second, in memory."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from monitor.core.dead_letters import Change, DeadLetter, Outcome, told_of
from monitor.core.demo.lanes import DemoLanes
from monitor.core.demo.worker import Card, DemoWorker
from monitor.core.event_log import EventLog
from monitor.core.history import History
from monitor.core.snapshot import LaneView, RedisView, Snapshot
from monitor.core.source import SourceState
from monitor.core.told import Told
from settings import keys
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
        self._clock, self._lanes, self._history, self._events = clock, DemoLanes(chance), History(), EventLog()
        self._workers = [*_workers(chance)]
        self._begins = self._now = clock() - head_start_seconds
        for worker in self._workers:
            worker.start(self._now)

    def watch(self, page: str) -> None:
        """It tells the same on every page."""

    def read(self) -> Snapshot:
        """Lets the time pass that has passed, and tells how things are."""
        now = self._clock()
        if (behind := now - self._now - MOST_SECONDS_AT_ONCE) > 0:
            self._begins, self._now = self._begins + behind, self._now + behind
        while self._now + 1.0 <= now:
            self._now += 1.0
            self._step()
        return self._told(now)

    def letters(self) -> "DemoLetters":
        """Its dead letters."""
        return DemoLetters(self._lanes, self._clock)

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
        snapshot = Snapshot(now, queues, tuple(worker.view(now) for worker in self._workers), None, lanes, memory)
        return replace(snapshot, trends=self._history.observe(snapshot), events=self._events.observe(snapshot))


class DemoLetters:
    """The dead letters of the demo, which can be sent again and deleted."""

    def __init__(self, lanes: DemoLanes, clock: Callable[[], float]) -> None:
        self._lanes, self._clock = lanes, clock

    def read(self, lanes: list[str]) -> tuple[DeadLetter, ...]:
        """Those of these lanes, the newest first."""
        return tuple(letter for letter in reversed(self._lanes.letters) if letter.lane in lanes)

    def change(self, change: Change, letters: Sequence[DeadLetter]) -> Told:
        """Sends them again, or removes them."""
        outcomes: Counter[str] = Counter(
            self.requeue(each) if change == "requeue" else self.delete(each) for each in letters
        )
        return told_of(change, outcomes)

    def requeue(self, letter: DeadLetter) -> Outcome:
        """Sends one again."""
        if letter not in self._lanes.letters:
            return "gone"
        self._lanes.send_again(letter, self._clock())
        return "done"

    def delete(self, letter: DeadLetter) -> Outcome:
        """Removes one."""
        if letter not in self._lanes.letters:
            return "gone"
        self._lanes.letters.remove(letter)
        return "done"


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
