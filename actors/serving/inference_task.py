"""One inference task: from its message to a job of the engine, from the ended job to its result."""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dramatiq import MessageProxy

from actors.errors import (
    ClusterError,
    DeadlineExceeded,
    InvalidRequest,
    StoreUnreachable,
    TaskCancelled,
    TaskTimedOut,
)
from actors.payloads import GenerateRequest, Metadata, TaskResult, Timings, check_size, is_reference, parse_request
from actors.queueing.cancellations import TaskInHand
from actors.queueing.deadlines import seconds_left
from actors.queueing.inputs import Inputs
from actors.queueing.keep_alive import keep_alive_of
from actors.queueing.results import ClaimState
from actors.queueing.retry_policy import reasons_of
from actors.queueing.streams import Stream, StreamPublisher
from actors.versions import installed_versions
from settings.config import Settings

if TYPE_CHECKING:
    from actors.devices.backend import Device
    from actors.engine.engine import Engine
    from actors.engine.work import Completion, Job

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What every task of a process runs in."""

    worker_id: str
    device: "Device"
    engine: "Engine"
    streams: StreamPublisher
    inputs: Inputs
    settings: Settings


class InferenceTask:
    """A claimed message. Begun by a starter thread, computed by the device thread, settled by the finisher."""

    def __init__(self, message: MessageProxy, surroundings: Surroundings) -> None:
        self.message, self._in = message, surroundings
        self.cancellation = TaskInHand(message.message_id)
        model = message.kwargs.get("model")
        self.model: str | None = model if isinstance(model, str) else None
        """The model that it names, whether it has been checked or not."""
        self._job: Job | None = None
        self._stream: Stream | None = None
        self._error: BaseException | None = None
        self._begun_at, self._due_at = time.monotonic(), _due_at(message)
        self._is_claimed, self.is_refused = True, False
        self._mutex = threading.Lock()

    def set_aside(self, when_ended: Callable[[], None]) -> None:
        """It waits for its turn, and fetches nothing meanwhile; `when_ended` is called if it is cancelled."""
        self._begun_at = math.inf
        self.cancellation.when_cancelled(lambda: self.refuse(self._cancelled(), when_ended))

    def take_up(self) -> None:
        """Its turn has come."""
        self._begun_at = time.monotonic()

    @property
    def fetches_inputs(self) -> bool:
        """Whether beginning it may take long, because inputs have to be fetched."""
        fields: object = self.message.kwargs  # which nobody has checked yet
        return isinstance(fields, dict) and any(map(is_reference, fields.values()))

    @property
    def reads_files(self) -> bool:
        """Whether one of these is in a folder, which may hang."""
        fields = self.message.kwargs.values()
        return any("$file" in value for value in fields if isinstance(value, dict))

    def begin(self, state: ClaimState, when_ended: Callable[[], None]) -> "Job | None":
        """The job to be handed to the engine, if there is anything to run.

        `when_ended` is called once, from any thread, when the task can be settled.

        Raises:
          PermanentError: When it is not to be run, or cannot be.
          TransientError: When it cannot be run here and now.
        """
        if state.is_cancelled and not state.has_result:
            raise self._cancelled()
        if state.has_result:
            if self._leave_claimed():
                self._acknowledge_only()
                when_ended()
            return None
        job = self._planned()
        if job is None or not self._leave_claimed():  # refused meanwhile, and settled
            return None
        self._job = job
        self.cancellation.when_cancelled(job.cancel)
        self._job.future.add_done_callback(lambda _: self._end_stream(when_ended))
        return self._job

    def refuse(self, error: BaseException, when_ended: Callable[[], None]) -> None:
        """Ends a task that could not be begun; one that was begun or refused before is left as it is."""
        if self._leave_claimed():
            self._error, self.is_refused = error, True
            self._end_stream(when_ended)

    def expire(self, when_ended: Callable[[], None]) -> None:
        """Ends the task when its time is over, whatever the device is doing, and whatever its inputs wait for."""
        if self._job:
            self._job.end_if_late()
        elif self._is_claimed and (error := self._lateness()):
            self.refuse(error, when_ended)

    def _cancelled(self) -> TaskCancelled:
        return TaskCancelled(f"{self.message.actor_name} was not begun: it was cancelled")

    def _lateness(self) -> ClusterError | None:
        """Why a task that has not been begun is no more to be waited for."""
        actor, now = self.message.actor_name, time.monotonic()
        if now > self._due_at:
            return DeadlineExceeded(f"{actor} was not begun: its deadline had passed {now - self._due_at:.1f} s before")
        if now - self._begun_at > (limit := self._in.settings.task_timeout):
            return StoreUnreachable(f"{actor} was not begun: its inputs were not there within TASK_TIMEOUT={limit} s")
        return None

    def _leave_claimed(self) -> bool:
        """True for the one who begins, refuses or acknowledges the task: the first."""
        with self._mutex:
            is_first, self._is_claimed = self._is_claimed, False
        return is_first

    def result(self) -> dict[str, Any] | None:
        """What is stored for the caller; None when that was done before.

        Raises:
          BaseException: What the task ended with.
        """
        if self._error:
            raise self._error
        if self._job is None:
            return None
        try:
            completion = self._job.future.result()
        except TaskTimedOut:  # which does not know its limit
            limit = self._in.settings.task_timeout
            raise TaskTimedOut(f"{self.message.actor_name} took longer than TASK_TIMEOUT={limit} s") from None
        output = self._in.engine.finish(self._job)
        return TaskResult(output=output, metadata=self._metadata(completion)).model_dump()

    def _planned(self) -> "Job | None":
        """None for a task that was refused while its inputs were fetched."""
        actor, fields, started_at = self.message.actor_name, self.message.kwargs, time.time()
        if self.message.args:
            raise InvalidRequest(f"{actor} takes keywords only, as in {actor}.send(model=…)")
        check_size(fields, self._in.settings.max_payload_bytes)
        keep_alive = keep_alive_of(self.message.options)
        due_at = started_at + _seconds_of_use(actor, seconds_left(self.message.options, started_at))
        fields = self._in.inputs.resolve(actor, fields)
        if self.is_refused:
            return None
        request = parse_request(actor, fields)
        if isinstance(request, GenerateRequest) and request.stream:
            self._stream = self._in.streams.open(self.message.message_id, len(reasons_of(self.message.options)))
        queued_seconds = max(0.0, started_at - self.message.message_timestamp / 1000)
        now = time.time()  # fetching inputs may have taken long
        seconds = self._in.settings.task_timeout - (now - started_at)
        return self._in.engine.plan(actor, request, seconds, queued_seconds, self._stream, keep_alive, due_at - now)

    def _end_stream(self, when_ended: Callable[[], None]) -> None:
        """A reader that finds the result looks no further, so the last piece is published before it is stored."""
        if self._stream is None:
            when_ended()
            return
        error = self._error or (self._job.future.exception() if self._job else None)
        self._stream.end(type(error).__name__ if error else "", when_ended)

    def _acknowledge_only(self) -> None:
        """Ends a task that was run before and whose acknowledgement was lost; its result is left as it is."""
        message = self.message
        logger.info("%s %s has its result already and is not run again.", message.actor_name, message.message_id)
        message.options["store_results"] = False

    def _metadata(self, completion: "Completion") -> Metadata:
        name, milliseconds = self._in.device.name, partial(round, ndigits=3)
        retry_reasons = reasons_of(self.message.options)
        return Metadata(
            model=completion.model.name,
            revision=completion.model.revision,
            worker_id=self._in.worker_id,
            device=str(name),
            backend=name.backend,
            dtype=completion.dtype,
            batch_size=completion.batch_size,
            input_tokens=completion.input_tokens,
            output_tokens=sum(output.tokens for output in completion.outputs),
            truncated=completion.truncated,
            attempts=len(retry_reasons) + 1,
            retry_reasons=retry_reasons,
            versions=installed_versions(),
            timings=Timings(
                queued_ms=milliseconds(completion.queued_seconds * 1000),
                load_ms=milliseconds(completion.load_seconds * 1000),
                batch_wait_ms=milliseconds(completion.batch_wait_seconds * 1000),
                compute_ms=milliseconds(completion.compute_seconds * 1000),
            ),
        )


def _seconds_of_use(actor: str, seconds: float) -> float:
    """How long its caller waits for it, when that is still some time."""
    if seconds <= 0:
        raise DeadlineExceeded(f"{actor} was not begun: its deadline had passed {-seconds:.1f} s before")
    return seconds


def _due_at(message: MessageProxy) -> float:
    """Its deadline by `time.monotonic`; one that cannot be read is refused when it is begun."""
    try:
        return time.monotonic() + seconds_left(message.options, time.time())
    except InvalidRequest:
        return math.inf
