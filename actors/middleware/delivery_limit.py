"""Puts a task away that was given to several processes of which none lived to end it."""

import logging
import time
from collections.abc import Sequence
from typing import Any

import redis
from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware, SkipMessage

from actors.errors import DeliveryLimitReached
from actors.middleware.device_claim import DeviceClaim
from actors.queueing.commands import Command
from actors.queueing.deliveries import Deliveries, Delivery
from actors.queueing.results import result_backend
from settings import keys

logger = logging.getLogger(__name__)


class DeliveryLimit(Middleware):
    """Notes each delivery of an inference task before it runs. What is put back without having run does not count."""

    def __init__(self, claim: DeviceClaim, worker_id: str) -> None:
        self._claim, self._worker_id = claim, worker_id
        self._deliveries: Deliveries | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Worker processes only, main thread, after the claim; a process without a device has nothing to note."""
        if self._claim.device:
            self._deliveries = Deliveries(result_backend(broker).client)

    def note_all(self, messages: Sequence[Any], questions: Sequence[Command], *, alone: bool) -> Sequence[Any]:
        """Notes a delivery of each of these messages, ahead of the hook below, and answers `questions` about them.

        Raises:
          redis.RedisError: When Redis does not answer; the hook notes them one by one then.
        """
        assert self._deliveries is not None, "only a process with a device has tasks in hand"
        redis_ids = [message.options["redis_message_id"] for message in messages]
        return self._deliveries.note_all(redis_ids, self._delivery(), questions, alone=alone)

    def is_suspect(self, message: Any) -> bool:
        """Whether `note_all` left it out because its last delivery is to be alone in a process; told once."""
        return self._deliveries is not None and self._deliveries.is_suspect(message.options["redis_message_id"])

    def before_process_message(self, broker: Broker, message: Any) -> None:
        """The thread that is about to run or begin the task."""
        if self._deliveries is None or message.queue_name != keys.INFERENCE_QUEUE:
            return
        try:
            unfinished = self._deliveries.note(message.options["redis_message_id"], self._delivery())
        except redis.RedisError as error:
            logger.warning("This delivery of %s is not counted: %s", message.message_id, error)
            return
        if unfinished:
            refusal = _refusal(unfinished)
            logger.error("%s %s is not run again: %s.", message.actor_name, message.message_id, refusal)
            message.fail()
            raise SkipMessage(str(refusal)) from refusal

    def after_skip_message(self, broker: Broker, message: Any) -> None:
        """The thread that refused the task: its caller is told why, and not that it was skipped."""
        if message._exception and isinstance(refusal := message._exception.__cause__, DeliveryLimitReached):
            message.stuff_exception(refusal)

    def after_ack(self, broker: Broker, message: Any) -> None:
        """The finisher, or the worker thread that ran the task."""
        if self._deliveries and message.queue_name == keys.INFERENCE_QUEUE:
            self._deliveries.end(message.options["redis_message_id"])

    def after_nack(self, broker: Broker, message: Any) -> None:
        """The same threads; the history of a task that was refused stays as long as its dead letter."""
        if not isinstance(message._exception, DeliveryLimitReached):
            self.after_ack(broker, message)

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, when no task is left."""
        if self._deliveries:
            try:
                self._deliveries.forget_ended()
            except redis.RedisError as error:
                logger.debug("Deliveries that have ended are kept until they expire: %s", error)

    def _delivery(self) -> Delivery:
        return Delivery(self._worker_id, str(self._claim.full_name), time.time())


def _refusal(unfinished: tuple[Delivery, ...]) -> DeliveryLimitReached:
    history = "; ".join(map(str, unfinished))
    return DeliveryLimitReached(
        f"it was given to {len(unfinished)} worker processes that ended before it did, the last time with nothing"
        f" beside it: {history}. Send it again only if they ended for another reason"
    )
