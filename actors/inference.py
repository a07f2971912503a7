"""The actors: a task's message enters the service here."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dramatiq
from dramatiq.middleware import CurrentMessage

from actors.broker import broker
from actors.context import DeviceWorker, device_worker
from actors.errors import (
    DeadlineExceeded,
    DeviceUnavailable,
    InvalidRequest,
    PermanentError,
    TaskCancelled,
    TaskTimedOut,
)
from actors.payloads import GenerateRequest, Metadata, Request, TaskResult, Timings, check_size, parse_request
from actors.queueing.deadlines import seconds_left
from actors.queueing.results import result_backend
from actors.queueing.streams import StreamWriter
from actors.versions import installed_versions
from settings import keys
from settings.config import current_settings

if TYPE_CHECKING:
    from actors.engine.work import Completion, Job
    from actors.queueing.cancellations import TaskInHand

logger = logging.getLogger(__name__)

Publish = Callable[[str], None]


@dataclass(frozen=True)
class _TimeLimit:
    """How long a task may still take, and what its caller is told when it takes longer."""

    seconds: float
    error: PermanentError


@dramatiq.actor(broker=broker, queue_name=keys.INFERENCE_QUEUE, throws=(PermanentError,))
def embed(*positional: Any, **fields: Any) -> dict[str, Any] | None:
    """Texts to vectors; the keywords are those of `actors.payloads.EmbedRequest`."""
    return _run("embed", positional, fields)


@dramatiq.actor(broker=broker, queue_name=keys.INFERENCE_QUEUE, throws=(PermanentError,))
def classify(*positional: Any, **fields: Any) -> dict[str, Any] | None:
    """Texts to labels; the keywords are those of `actors.payloads.ClassifyRequest`."""
    return _run("classify", positional, fields)


@dramatiq.actor(broker=broker, queue_name=keys.INFERENCE_QUEUE, throws=(PermanentError,))
def generate(*positional: Any, **fields: Any) -> dict[str, Any] | None:
    """A prompt or messages to text; the keywords are those of `actors.payloads.GenerateRequest`."""
    return _run("generate", positional, fields)


@dramatiq.actor(broker=broker, queue_name=keys.INFERENCE_QUEUE, throws=(PermanentError,))
def run_pipeline(*positional: Any, **fields: Any) -> dict[str, Any] | None:
    """Any transformers pipeline; the keywords are those of `actors.payloads.RunPipelineRequest`."""
    return _run("run_pipeline", positional, fields)


def _run(actor: str, positional: tuple[Any, ...], fields: dict[str, Any]) -> dict[str, Any] | None:
    """Validates, hands over to the device thread, waits. In a worker thread of a process with a device."""
    settings, started_at = current_settings(), time.time()
    worker, message = device_worker(), CurrentMessage.get_current_message()
    if worker is None or message is None:
        raise DeviceUnavailable(f"{actor} runs on a worker; call {actor}.send(…) and fetch the result")
    if positional:
        raise InvalidRequest(f"{actor} takes keywords only, as in {actor}.send(model=…)")
    check_size(fields, settings.max_payload_bytes)
    request = parse_request(actor, fields)
    limit = _time_limit(actor, seconds_left(message.options, started_at), settings.task_timeout)
    with worker.cancellations.in_hand(message.message_id) as task:
        state = result_backend(broker).claim_state(message)
        if state.has_result:
            _acknowledge_only(message)
            return None
        if state.is_cancelled:
            raise TaskCancelled(f"{actor} was not begun: it was cancelled")
        completion, output = _compute(worker, actor, request, limit, task, message)
    return TaskResult(output=output, metadata=_metadata(worker, completion)).model_dump()


def _acknowledge_only(message: Any) -> None:
    """Ends a task that was run before and whose acknowledgement was lost; its result is left as it is."""
    logger.info("%s %s has its result already and is not run again.", message.actor_name, message.message_id)
    message.options["store_results"] = False


def _compute(
    worker: DeviceWorker, actor: str, request: Request, limit: _TimeLimit, task: "TaskInHand", message: Any
) -> tuple["Completion", object]:
    """What the device thread made of a request, and the task's output."""
    with _publisher(request, message) as publish:
        queued_seconds = max(0.0, time.time() - message.message_timestamp / 1000)
        job = worker.engine.submit(actor, request, limit.seconds, queued_seconds)
        task.cancelled.add_done_callback(lambda _: job.cancel())
        return _wait(job, publish, limit), worker.engine.finish(job)


@contextmanager
def _publisher(request: Request, message: Any) -> Iterator[Publish | None]:
    """A function that publishes a piece of the text, for requests with `stream=True`; says how the stream ended."""
    if not (isinstance(request, GenerateRequest) and request.stream):
        yield None
        return
    stream = StreamWriter(result_backend(broker).client, message.message_id, current_settings().result_ttl)
    stream.start(message.options.get("retries", 0))
    try:
        yield stream.write
    except BaseException as error:
        stream.end(type(error).__name__)
        raise
    stream.end("")


def _time_limit(actor: str, seconds_of_use: float, task_timeout: int) -> _TimeLimit:
    """Whichever comes first, the caller's deadline or TASK_TIMEOUT."""
    if seconds_of_use <= 0:
        raise DeadlineExceeded(f"{actor} was not begun: its deadline had passed {-seconds_of_use:.1f} s before")
    if seconds_of_use <= task_timeout:
        return _TimeLimit(seconds_of_use, DeadlineExceeded(f"{actor} was stopped at its deadline"))
    return _TimeLimit(task_timeout, TaskTimedOut(f"{actor} took longer than TASK_TIMEOUT={task_timeout} s"))


def _wait(job: "Job", publish: Publish | None, limit: _TimeLimit) -> "Completion":
    try:
        if publish:
            for piece in job.pieces():
                publish(piece)
        return job.future.result(timeout=max(0.0, job.deadline - time.monotonic()))
    except (TimeoutError, TaskTimedOut):  # here, or on the device thread, which knows only that it is late
        raise limit.error from None
    finally:
        job.cancel()


def _metadata(worker: DeviceWorker, completion: "Completion") -> Metadata:
    return Metadata(
        model=completion.model.name,
        revision=completion.model.revision,
        worker_id=worker.worker_id,
        device=str(worker.device.name),
        backend=worker.device.name.backend,
        dtype=completion.dtype,
        batch_size=completion.batch_size,
        input_tokens=completion.input_tokens,
        output_tokens=sum(output.tokens for output in completion.outputs),
        truncated=completion.truncated,
        versions=installed_versions(),
        timings=Timings(
            queued_ms=round(completion.queued_seconds * 1000, 3),
            load_ms=round(completion.load_seconds * 1000, 3),
            batch_wait_ms=round(completion.batch_wait_seconds * 1000, 3),
            compute_ms=round(completion.compute_seconds * 1000, 3),
        ),
    )
