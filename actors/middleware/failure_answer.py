"""Answers the caller of a failed task before its message is put away."""

from typing import Any

from dramatiq import Broker
from dramatiq.middleware import Middleware

from actors.errors import DeadlineExceeded, InputNotFound, InvalidRequest, ModelNotFound, TaskCancelled, UnknownActor
from actors.queueing.results import ResultBackend
from settings import keys

#: The caller's own mistakes and decisions. Their messages are acknowledged once they are answered: as dead letters they
#: would hide the failures that an operator can mend, and keep the callers' texts.
CALLERS_OWN = (InvalidRequest, InputNotFound, ModelNotFound, DeadlineExceeded, TaskCancelled)


class FailureAnswer(Middleware):
    """Stores the failure first; Dramatiq's Results does so after the message is gone, and not for unknown actors."""

    def __init__(self, results: ResultBackend, result_ttl_ms: int) -> None:
        self._results, self._result_ttl_ms = results, result_ttl_ms

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """The finisher or a worker thread; after the retries have decided, because this stands before them."""
        if message.failed and isinstance(exception, CALLERS_OWN):
            self._store(message, exception)
            message.failed = False

    def before_nack(self, broker: Broker, message: Any) -> None:
        """The finisher, a worker thread, or the consumer's for an actor that is not known."""
        if message.actor_name in broker.actors:
            self._store(message, message._exception or RuntimeError("the task failed without an error"))
        else:
            tasks = (name for name, actor in broker.actors.items() if actor.queue_name == keys.INFERENCE_QUEUE)
            known = ", ".join(sorted(tasks))
            self._store(message, UnknownActor(f"there is no actor {message.actor_name!r}; there are {known}"))

    def _store(self, message: Any, error: BaseException) -> None:
        as_exception: Any = error  # Dramatiq stores the name and the text of any
        self._results.store_exception(message, as_exception, self._result_ttl_ms)
