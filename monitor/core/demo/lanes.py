"""The demo's models, and the tasks that wait for them."""

import random
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from monitor.core.dead_letters import DeadLetter
from monitor.core.demo.incidents import happening
from monitor.core.snapshot import LaneView
from settings import keys
from settings.lane_names import PRIORITIES, LaneName, Priority
from settings.records import TaskRecord
from settings.sought_task import MessageBody

#: How many times as many tasks come in a rush.
RUSH = 2.6

#: The dead letters of one incident.
MOST_LETTERS = 9

#: So many of the tasks that were done are remembered.
MOST_ENDED = 5_000

#: The share of the tasks that each priority gets.
_SHARES: dict[Priority, float] = {"high": 0.15, "normal": 0.75, "low": 0.1}

_FAILURES = (
    "actors.errors.DeviceOutOfMemory: 512 texts do not fit into the memory of cuda:0 even one by one",
    "actors.errors.InvalidRequest: a text has 41,210 tokens, the model takes 8,192",
)


@dataclass(frozen=True)
class DemoModel:
    """A model, what is asked of it a second, and what it costs."""

    name: str
    actor: str
    gibibytes: float
    tasks_per_second: float
    seconds_per_task: float
    batch: int


MODELS = {
    model.name: model
    for model in (
        DemoModel("Qwen/Qwen3-8B", "generate", 15.3, 9.0, 7.0, 8),
        DemoModel("BAAI/bge-m3", "embed", 1.1, 22.0, 2.0, 16),
        DemoModel("BAAI/bge-reranker-v2-m3", "classify", 1.1, 9.0, 2.0, 8),
        DemoModel("openai/whisper-large-v3", "run_pipeline", 3.1, 1.2, 4.0, 2),
        DemoModel("stabilityai/sdxl-turbo", "run_pipeline", 8.9, 1.4, 3.0, 1),
    )
}

LANES = tuple(LaneName(keys.INFERENCE_QUEUE, priority, name) for name in MODELS for priority in PRIORITIES)


class DemoTask(NamedTuple):
    """A task that waits: when it was sent, and its id."""

    sent_at: float
    message_id: str


@dataclass(frozen=True)
class DemoEnd:
    """A task that was done, and by whom."""

    task: TaskRecord
    worker_id: str
    device: str
    sent_at: float
    ended_at: float


class DemoLanes:
    """What waits, by lane, what was done of late, and what has died."""

    def __init__(self, chance: random.Random) -> None:
        # Ids have a source of their own, so that nothing else depends on how many there are.
        self._chance, self._ids = chance, random.Random(0)
        self._waiting: dict[str, deque[DemoTask]] = {str(lane): deque() for lane in LANES}
        self._sent: dict[str, float] = {}
        self.ended: deque[DemoEnd] = deque(maxlen=MOST_ENDED)
        self.letters: list[DeadLetter] = []
        self.paused: dict[str, str] = {}
        """Lanes and queues of which nothing is taken, and who said so."""

    def step(self, second: float, now: float) -> None:
        """Tasks come, and some die for good; what has died is sent again when its cause is mended."""
        rushed = {each.model for each in happening("rush", second)}
        for lane in LANES:
            model = MODELS[lane.model or ""]
            rate = model.tasks_per_second * _SHARES[lane.priority] * (RUSH if model.name in rushed else 1.0)
            coming = max(0, round(self._chance.gauss(rate, rate**0.5)))
            self._waiting[str(lane)].extend(DemoTask(now, self._id()) for _ in range(coming))
        failing = happening("letters", second)
        if failing and len(self.letters) < MOST_LETTERS and self._chance.random() < 1 / 3:
            self._bury(failing[0].model, now)
        if not failing:
            self.letters.clear()

    def take(self, model: str, most: int, now: float) -> list[TaskRecord]:
        """The tasks that a worker gets: those of the highest priority first."""
        task_of, tasks = MODELS[model].actor, list[TaskRecord]()
        for priority in PRIORITIES:
            waiting = self._waiting[name := f"{keys.INFERENCE_QUEUE}.{priority}.{model}"]
            while waiting and len(tasks) < most and not self.is_paused(name):
                sent_at, message_id = waiting.popleft()
                self._sent[message_id] = sent_at
                tasks.append(TaskRecord(message_id=message_id, actor=task_of, model=model, started_at=now))
        return tasks

    def end(self, tasks: Iterable[TaskRecord], worker_id: str, device: str, now: float) -> None:
        """A worker has done them."""
        for task in tasks:
            sent_at = self._sent.pop(task.message_id, task.started_at)
            self.ended.append(DemoEnd(task, worker_id, device, sent_at, now))

    def give_back(self, tasks: Iterable[TaskRecord]) -> None:
        """The tasks of a lost worker wait again."""
        for task in tasks:
            waiting = DemoTask(self._sent.pop(task.message_id, task.started_at), task.message_id)
            self._waiting[f"{keys.INFERENCE_QUEUE}.normal.{task.model}"].appendleft(waiting)

    def send_again(self, letter: DeadLetter, now: float) -> None:
        """A dead letter waits again."""
        self.letters.remove(letter)
        self._waiting[letter.lane].append(DemoTask(now, letter.body.message_id if letter.body else letter.redis_id))

    def sent_at(self, message_id: str) -> float | None:
        """When a task in hand was sent."""
        return self._sent.get(message_id)

    def waiting(self, lane: str) -> deque[DemoTask]:
        """What waits in a lane, the first in front."""
        return self._waiting.get(lane, deque())

    def is_paused(self, lane: str) -> bool:
        """Whether nothing is taken of a lane, because it or its queue is paused."""
        return not self.paused.keys().isdisjoint({lane, LaneName.parse(lane).queue})

    def views(self, running: dict[str, int], now: float) -> Iterator[LaneView]:
        """Each lane as the monitor sees it; what runs is counted to the lanes of normal priority."""
        for lane in LANES:
            waiting, dead = self._waiting[str(lane)], sum(letter.lane == str(lane) for letter in self.letters)
            hands = running.get(lane.model or "", 0) if lane.priority == "normal" else 0
            oldest = now - waiting[0].sent_at if waiting else None
            yield LaneView(str(lane), *lane, len(waiting), hands, 0, dead, oldest, self.is_paused(str(lane)))

    def _bury(self, model: str, now: float) -> None:
        lane, error = f"{keys.INFERENCE_QUEUE}.normal.{model}", self._chance.choice(_FAILURES)
        fields = {
            "message_id": self._id(),
            "queue_name": keys.INFERENCE_QUEUE,
            "actor_name": MODELS[model].actor,
            "message_timestamp": int(now * 1000),
            "kwargs": {"model": model},
            "options": {"retries": 2, "traceback": f"Traceback (most recent call last):\n  ...\n{error}"},
        }
        body, size = MessageBody.model_validate(fields), self._chance.randrange(900, 20_000)
        self.letters.append(DeadLetter(lane, self._id(), now, size, body, ("texts: list of 512", "model: text of 11")))

    def _id(self) -> str:
        return f"{self._ids.getrandbits(128):032x}"
