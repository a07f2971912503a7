"""What became of one task, read from both databases when somebody asks for it."""

import json
from dataclasses import dataclass, replace
from typing import Annotated, Any

import redis
from pydantic import BeforeValidator, Field, ValidationError

from monitor.core.formatting import printable
from monitor.core.listed_tasks import describe_one
from settings import connections, keys
from settings.config import Settings
from settings.explanation import Ended, Explanation, Unknown
from settings.records import Record
from settings.sought_task import MessageBody, SoughtTask, read_body
from settings.task_finder import TaskFinder
from settings.task_search import TaskSearch


def _seconds(value: object) -> object:
    return value if isinstance(value, int | float) and 0 <= value < 1e12 else 0.0


_Milliseconds = Annotated[float, BeforeValidator(_seconds)]


class StoryUnavailable(Exception):
    """Redis does not answer; the text says so."""


class Timings(Record):
    """Where a task's time went, as its result tells."""

    queued_ms: _Milliseconds = 0.0
    load_ms: _Milliseconds = 0.0
    batch_wait_ms: _Milliseconds = 0.0
    compute_ms: _Milliseconds = 0.0


class Outcome(Record):
    """How a task was run, as its result tells."""

    worker_id: str
    device: str
    model: str = ""
    revision: str = ""
    dtype: str = ""
    batch_size: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    attempts: int = 1
    retry_reasons: tuple[str, ...] = ()
    timings: Timings = Timings()


class _Stored(Record):
    metadata: Outcome


class Delivery(Record):
    """Who was given a task, and has not ended it."""

    worker_id: str
    device: str
    at: float = Field(allow_inf_nan=False)


@dataclass(frozen=True)
class TaskStory:
    """Where a task is, and what is known of its way there."""

    explanation: Explanation
    sent_at: float | None = None
    retry_reasons: tuple[str, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    outcome: Outcome | None = None
    ended_at: float | None = None
    """By its result's time to live, if RESULT_TTL is the same on its worker."""


class TaskStories:
    """Reads stories; blocks for as long as Redis takes, so it belongs into a thread."""

    def __init__(self, settings: Settings) -> None:
        self._queues = connections.queue_client(settings, connections.MONITOR)
        self._results = connections.result_client(settings, connections.MONITOR)
        self._finder, self._search = TaskFinder(self._queues, self._results), TaskSearch(self._queues)
        self._result_seconds = settings.result_ttl

    def read(self, task: SoughtTask) -> TaskStory:
        """All that is known of a task.

        Raises:
          StoryUnavailable: When Redis does not answer.
        """
        try:
            explanation = self._finder.explain(task)
            if isinstance(explanation.place, Unknown):
                return TaskStory(explanation, task.sent_at)
            if isinstance(explanation.place, Ended):
                return self._read_ended(task, explanation)
            return self._read_pending(task, explanation)
        except (redis.RedisError, OSError, ValueError) as error:  # ValueError: a URL that redis-py cannot parse
            raise StoryUnavailable(f"The task cannot be read: {printable(str(error))}") from error

    def close(self) -> None:
        """Gives the connections back."""
        self._queues.close()
        self._results.close()

    def _read_ended(self, task: SoughtTask, explanation: Explanation) -> TaskStory:
        with self._results.pipeline(transaction=False) as pipe:
            for actor in task.actors:
                pipe.lindex(keys.result(task.queue, actor, task.message_id), 0)
                pipe.pttl(keys.result(task.queue, actor, task.message_id))
            answers = pipe.execute()
        for stored, ttl_ms in zip(answers[::2], answers[1::2], strict=True):
            if stored is not None:
                ended_at = explanation.at - (self._result_seconds - ttl_ms / 1000) if ttl_ms > 0 else None
                return TaskStory(explanation, task.sent_at, outcome=_outcome(stored), ended_at=ended_at)
        return TaskStory(explanation, task.sent_at)

    def _read_pending(self, task: SoughtTask, explanation: Explanation) -> TaskStory:
        if task.redis_id is None:
            known = replace(task, actor=explanation.actor, model=explanation.model)
            task = self._search.find(known) or task
        if task.redis_id is None or task.lane is None:
            return TaskStory(explanation, task.sent_at)
        with self._queues.pipeline(transaction=False) as pipe:
            describe_one(pipe, task.lane, task.redis_id)
            told = pipe.execute()
        entries: Any = self._results.lrange(keys.deliveries(task.redis_id), 0, -1)
        body = next((body for _, short in told if (body := read_body(short))), None)
        deliveries = tuple(delivery for entry in entries if (delivery := _delivery(entry)))
        return TaskStory(explanation, task.sent_at, _reasons(body), deliveries)


def _reasons(body: MessageBody | None) -> tuple[str, ...]:
    return body.options.retry_reasons if body else ()


def _delivery(entry: bytes) -> Delivery | None:
    try:
        return Delivery.from_json(entry)
    except ValidationError:
        return None


def _outcome(stored: bytes) -> Outcome | None:
    """What a result tells besides its output, None for a failure and for what is no result of ours."""
    try:
        fields: Any = json.loads(stored)
        return _Stored.model_validate({"metadata": fields["metadata"]}).metadata
    except (ValueError, KeyError, TypeError):
        return None
