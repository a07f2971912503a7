"""Reads from Redis where a task is; writes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import redis
from pydantic import ValidationError

from settings import keys
from settings.arriving import describe_for_task
from settings.capacity import CapacityReader
from settings.explanation import (
    NO_ESTIMATE,
    Cancelled,
    DeadLetter,
    Delayed,
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
from settings.footprints import LAST_FOOTPRINT, read_footprint
from settings.lane_names import LaneName, lanes_before
from settings.records import Record, WorkerRecord, readable_worker
from settings.sought_task import SoughtTask, read_body
from settings.task_search import TaskSearch
from settings.worker_answers import WorkerAnswer, WorkerReading, answers_of, is_held


class _Failure(Record):
    type: str
    msg: str


class _StoredFailure(Record):
    exn: _Failure


@dataclass(frozen=True)
class _Look:
    """The first round trip: the time, when each worker beat last, and the task if its Redis id is known."""

    at: float
    beats: dict[str, float]
    place: Place | None


class TaskFinder:
    """Finds tasks with a client of each database. Safe to share between threads, as its clients are."""

    def __init__(self, queues: redis.Redis, results: redis.Redis) -> None:
        self._queues, self._results = queues, results
        self._search, self._capacity = TaskSearch(queues), CapacityReader(queues)

    def explain(self, task: SoughtTask) -> Explanation:
        """Where a task is and why.

        Two round trips for one that has ended and at most five for another; `task_search.ROUND_TRIPS` + 2 more when
        the caller does not know its Redis id, or it is tried again and has another one now.

        Raises:
          redis.RedisError: When Redis does not answer.
        """
        look = self._look(task)
        # After the place: a task that leaves its place meanwhile has stored its result before.
        if outcome := self._read_outcome(task):
            return _explanation(task, look.at, outcome)
        workers = self._read_workers(look)
        if not isinstance(look.place, Waiting | Delayed):
            task, look = self._follow(task, look, workers)
        if look.place is None:
            reason = "it expired, was never sent, or is deep in a long queue"
            return _explanation(task, look.at, self._read_outcome(task) or Unknown(reason=reason))
        return self._explain_pending(task, look.at, look.place, workers)

    def _look(self, task: SoughtTask) -> _Look:
        lanes = lanes_before(task.lane) if task.lane else ()
        with self._queues.pipeline(transaction=True) as pipe:
            pipe.time()
            pipe.zrange(keys.WORKERS, 0, -1, withscores=True)
            if task.lane and task.redis_id:
                pipe.hget(keys.delayed_bodies(task.queue), task.redis_id)
                pipe.lpos(keys.ready(task.lane), task.redis_id)
                pipe.hexists(keys.bodies(task.lane), task.redis_id)
                pipe.zscore(keys.dead(task.lane), task.redis_id)
                pipe.hmget(keys.PAUSED, task.queue, task.lane)
                for lane in (task.lane, *lanes):
                    pipe.llen(keys.ready(lane))
            (seconds, microseconds), beats, *answers = pipe.execute()
        at = seconds + microseconds / 1e6
        place = _place(task, at, answers) if answers else None
        return _Look(at, {worker.decode(errors="replace"): beat for worker, beat in beats}, place)

    def _read_outcome(self, task: SoughtTask) -> Place | None:
        """How a task ended or that it will not be run, None when neither is known."""
        with self._results.pipeline(transaction=False) as pipe:
            for actor in task.actors:
                pipe.lindex(keys.result(task.queue, actor, task.message_id), 0)
            pipe.exists(keys.cancelled(task.message_id))
            *results, is_cancelled = pipe.execute()
        if stored := next(filter(None, results), None):
            return _outcome(stored)
        return Cancelled(is_answered=False) if is_cancelled else None

    def _read_workers(self, look: _Look) -> tuple[WorkerReading, ...]:
        """Workers whose record has not expired."""
        # MGET wants at least one key; the set of workers itself stands in, and MGET answers nil for no string.
        names = [keys.WORKERS, *map(keys.worker, look.beats)]
        _, *texts = cast("list[bytes | None]", self._queues.mget(names))
        return tuple(
            WorkerReading(worker_id, max(0.0, look.at - beat), readable_worker(text))
            for (worker_id, beat), text in zip(look.beats.items(), texts, strict=True)
            if text is not None
        )

    def _follow(self, task: SoughtTask, look: _Look, workers: Sequence[WorkerReading]) -> tuple[SoughtTask, _Look]:
        """A task that is not where it was put: a worker has it, or it is tried again with another Redis id."""
        # The freshest word counts: a process that died is still said to have what another has been given since.
        for worker in sorted(workers, key=lambda worker: worker.age_seconds):
            for running in worker.record.running if worker.record else ():
                if running.message_id == task.message_id:
                    known = replace(task, actor=running.actor, model=running.model)
                    return known, replace(look, place=_running(worker, running.model, running.started_at))
        if look.place is None and (found := self._search.find(task)):
            task, look = found, self._look(found)
        if isinstance(look.place, Running):
            look = replace(look, place=self._read_holder(task, workers))
        return task, look

    def _read_holder(self, task: SoughtTask, workers: Sequence[WorkerReading]) -> Running:
        """Which process Redis gave a task to that no worker has told of yet."""
        asked = [worker for worker in workers if worker.record]
        with self._queues.pipeline(transaction=False) as pipe:
            for worker in asked:
                if worker.record and task.lane and task.redis_id:
                    pipe.sismember(keys.acks(worker.record.broker_id, task.lane), task.redis_id)
            answers = pipe.execute()
        holders = [worker for worker, has_it in zip(asked, answers, strict=True) if has_it]
        return _running(holders[0], task.model) if holders else Running()

    def _explain_pending(
        self, task: SoughtTask, at: float, place: Place, workers: Sequence[WorkerReading]
    ) -> Explanation:
        if isinstance(place, DeadLetter):
            return _explanation(task, at, place)
        answers = answers_of(workers, task.model, self._read_footprint(task, workers))
        return _explanation(task, at, place, answers, self._estimate(task, place))

    def _read_footprint(self, task: SoughtTask, workers: Iterable[WorkerReading]) -> int | None:
        """What a model took when it was last loaded; not asked for while a worker holds it and tells."""
        if task.model is None or is_held(workers, task.model):
            return None
        return read_footprint(self._queues, task.model, LAST_FOOTPRINT)

    def _estimate(self, task: SoughtTask, place: Place) -> Estimate:
        if not isinstance(place, Waiting):
            return NO_ESTIMATE
        return estimate_wait(place, self._capacity.read(task.model or ""))


def _place(task: SoughtTask, at: float, answers: Sequence[Any]) -> Place | None:
    """Where Redis keeps a task's id."""
    delayed, index, has_body, died_ms, paused, depth, *depths_before = answers
    lane = str(task.lane)
    if delayed is not None:
        body = read_body(delayed)
        options = body.options if body else None
        until = options.eta / 1000 if options and options.eta is not None else None
        retries = options.retries or 0 if options else 0
        return Delayed(until=until, retries=retries, reason=body.failure if body else None)
    if index is not None:
        return Waiting(
            lane=lane,
            priority=LaneName.parse(lane).priority,
            position=index + 1,
            depth=depth,
            ahead=index + sum(depths_before),
            age_seconds=None if task.sent_at is None else max(0.0, at - task.sent_at),
            is_paused=any(paused),
        )
    if has_body:
        return Running()
    return None if died_ms is None else DeadLetter(lane=lane, died_at=died_ms / 1000)


def _running(worker: WorkerReading, model: str | None, since: float | None = None) -> Running:
    return Running(worker_id=worker.worker_id, since=since, doing=_doing(worker.record, model))


def _doing(record: WorkerRecord | None, model: str | None) -> str | None:
    """What the worker does before it can compute: it brings the task's own model, or loads another one."""
    return next(iter(describe_for_task(record, model, "the model")), None) if record else None


def _outcome(stored: bytes) -> Place:
    try:
        failure = _StoredFailure.from_json(stored).exn
    except ValidationError:  # a result is anything else
        return Ended()
    if failure.type == "TaskCancelled":
        return Cancelled(is_answered=True)
    return Ended(failure=failure.type, failure_text=failure.msg)


def _explanation(
    task: SoughtTask,
    at: float,
    place: Place,
    workers: tuple[WorkerAnswer, ...] = (),
    estimate: Estimate = NO_ESTIMATE,
) -> Explanation:
    return Explanation(
        message_id=task.message_id,
        actor=task.actor,
        model=task.model,
        at=at,
        place=place,
        text=describe(place, at),
        workers=workers,
        estimate=estimate,
    )
