"""What became of single tasks of the demo."""

from collections.abc import Sequence
from threading import Lock

from monitor.core.demo.lanes import LANES, MODELS, DemoEnd, DemoLanes
from monitor.core.demo.worker import DemoWorker
from monitor.core.listed_tasks import HEADS, NEWEST_DEAD, ListedTask
from monitor.core.task_stories import Delivery, Outcome, TaskStory, Timings
from settings.capacity import Capacity
from settings.explanation import (
    NO_ESTIMATE,
    DeadLetter,
    Ended,
    Estimate,
    Explanation,
    Place,
    Running,
    Unknown,
    Waiting,
    describe,
    estimate_wait,
)
from settings.lane_names import LaneName, lanes_before
from settings.records import TaskRecord
from settings.sought_task import SoughtTask
from settings.worker_answers import WorkerReading, answers_of


class DemoStories:
    """Tells of tasks that wait, are in hand, were done of late or are dead."""

    def __init__(self, lanes: DemoLanes, workers: Sequence[DemoWorker], lock: Lock) -> None:
        self._lanes, self._workers, self._lock = lanes, workers, lock
        self.now = 0.0

    def read(self, task: SoughtTask) -> TaskStory:
        """All that is known of one."""
        with self._lock:
            story = self._in_hand(task) or self._waiting(task) or self._ended(task) or self._dead(task)
        reason = "the demo knows the tasks that wait or are in hand, and the last few thousand that were done"
        return story or TaskStory(self._explanation(task.message_id, None, None, Unknown(reason=reason)))

    def capacity(self, model: str) -> Capacity:
        """How fast the model's tasks are worked off: a batch takes no longer than a task."""
        holders = sum(worker.holds(model) for worker in self._workers)
        known = MODELS.get(model)
        return Capacity(holders, known.seconds_per_task / known.batch if known else None)

    def listed(self, opened: LaneName | None) -> tuple[ListedTask, ...]:
        """The first of each lane and its newest dead letters; of an open lane those of its model, or of its queue."""
        shown = [lane for lane in LANES if opened is None or opened.model in (None, lane.model)]
        return tuple(task for lane in shown if opened is None or opened.queue == lane.queue for task in self._of(lane))

    def _of(self, lane: LaneName) -> list[ListedTask]:
        name, actor = str(lane), MODELS[lane.model or ""].actor
        heads = [task for task, _ in zip(self._lanes.waiting(name), range(HEADS), strict=False)]
        waiting = [
            ListedTask(name, task_id, "waiting", place + 1, at, self._sought(task_id, actor, lane, at))
            for place, (at, task_id) in enumerate(heads)
        ]
        letters = [letter for letter in reversed(self._lanes.letters) if letter.lane == name][:NEWEST_DEAD]
        dead = [
            ListedTask(
                name,
                letter.redis_id,
                "dead",
                place + 1,
                letter.died_at,
                SoughtTask.from_body(letter.body) if letter.body else None,
                letter.body.failure if letter.body else None,
            )
            for place, letter in enumerate(letters)
        ]
        return waiting + dead

    def _sought(self, task_id: str, actor: str, lane: LaneName, at: float) -> SoughtTask:
        return SoughtTask(task_id, actor, lane.model, lane.queue, str(lane), task_id, at)

    def _in_hand(self, task: SoughtTask) -> TaskStory | None:
        for worker in self._workers:
            for running in worker.running:
                if running.message_id == task.message_id:
                    place = Running(worker_id=worker.worker_id, since=running.started_at)
                    delivery = Delivery(worker_id=worker.worker_id, device=worker.device, at=running.started_at)
                    explanation = self._of_record(running, place)
                    return TaskStory(explanation, self._lanes.sent_at(task.message_id), deliveries=(delivery,))
        return None

    def _waiting(self, task: SoughtTask) -> TaskStory | None:
        for lane in LANES:
            waiting = self._lanes.waiting(str(lane))
            for index, (sent_at, message_id) in enumerate(waiting):
                if message_id == task.message_id:
                    place = Waiting(
                        lane=str(lane),
                        priority=lane.priority,
                        position=index + 1,
                        depth=len(waiting),
                        ahead=index + sum(len(self._lanes.waiting(name)) for name in lanes_before(str(lane))),
                        age_seconds=self.now - sent_at,
                        is_paused=self._lanes.is_paused(str(lane)),
                    )
                    model = lane.model or ""
                    estimate = estimate_wait(place, self.capacity(model))
                    actor = MODELS[model].actor
                    return TaskStory(self._explanation(message_id, actor, model, place, estimate), sent_at)
        return None

    def _ended(self, task: SoughtTask) -> TaskStory | None:
        end = next((end for end in reversed(self._lanes.ended) if end.task.message_id == task.message_id), None)
        if end is None:
            return None
        return TaskStory(self._of_record(end.task, Ended()), end.sent_at, outcome=_outcome(end), ended_at=end.ended_at)

    def _dead(self, task: SoughtTask) -> TaskStory | None:
        for letter in self._lanes.letters:
            if (body := letter.body) and body.message_id == task.message_id:
                place = DeadLetter(lane=letter.lane, died_at=letter.died_at)
                model = LaneName.parse(letter.lane).model
                reasons = (body.failure or "",)
                return TaskStory(self._explanation(body.message_id, body.actor_name, model, place), None, reasons)
        return None

    def _of_record(self, task: TaskRecord, place: Place) -> Explanation:
        return self._explanation(task.message_id, task.actor, task.model, place)

    def _explanation(
        self, message_id: str, actor: str | None, model: str | None, place: Place, estimate: Estimate = NO_ESTIMATE
    ) -> Explanation:
        views = [worker.view(self.now) for worker in self._workers]
        readings = [
            WorkerReading(view.worker_id, view.age_seconds(self.now), view.record) for view in views if view.record
        ]
        is_pending = isinstance(place, Waiting | Running)
        return Explanation(
            message_id=message_id,
            actor=actor,
            model=model,
            at=self.now,
            place=place,
            text=describe(place, self.now),
            workers=answers_of(readings, model, None) if is_pending else (),
            estimate=estimate,
        )


def _outcome(end: DemoEnd) -> Outcome:
    model = MODELS[end.task.model or ""]
    return Outcome(
        worker_id=end.worker_id,
        device=end.device,
        model=model.name,
        revision="main",
        dtype="float16",
        batch_size=model.batch,
        input_tokens=212,
        output_tokens=180 if model.actor == "generate" else 0,
        timings=Timings(
            queued_ms=1000 * (end.task.started_at - end.sent_at),
            batch_wait_ms=12.0,
            compute_ms=1000 * (end.ended_at - end.task.started_at) - 12.0,
        ),
    )
