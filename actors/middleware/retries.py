"""Tries a task again that failed: the cluster's own by its own rule, all others by Dramatiq's."""

import logging
from typing import Any, cast

from dramatiq import Actor, Broker
from dramatiq.middleware import Retries as DramatiqsRetries

from actors.queueing.broker import ClusterBroker
from actors.queueing.claims import SHUNNED_SECONDS
from actors.queueing.consumer import keep_if_interrupted
from actors.queueing.control_consumer import is_control_queue
from actors.queueing.patience import until_redis_answers
from actors.queueing.retry_policy import Pauses, Retry, choose_retry, options_after, reasons_of
from settings import keys

logger = logging.getLogger(__name__)


class Retries(DramatiqsRetries):
    """Dramatiq's own acknowledges a task although Redis was away when it was to be put back; here that waits."""

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """The finisher or a worker thread; the message is acknowledged after this unless it has failed or is kept."""
        if exception is None:
            return
        if _is_ours(broker.get_actor(message.actor_name)):
            self._apply_our_rule(broker, message, exception)
            return
        with keep_if_interrupted(message):
            patient: Any = _PatientBroker(cast("ClusterBroker", broker))
            super().after_process_message(patient, message, result=result, exception=exception)

    def _apply_our_rule(self, broker: Broker, message: Any, exception: BaseException) -> None:
        reasons = reasons_of(message.options)
        pauses = Pauses.of(message.options, broker.get_actor(message.actor_name).options)
        retry = choose_retry(exception, reasons, pauses)
        if retry is None:
            message.fail()
            return
        message.options.update(options_after(exception, reasons))
        logger.info("%s is tried again in %d ms.", message.message_id, retry.delay_ms)
        self._leave_to_others(cast("ClusterBroker", broker), message, retry)
        with keep_if_interrupted(message):
            _PatientBroker(cast("ClusterBroker", broker)).enqueue(message, delay=retry.delay_ms)

    @staticmethod
    def _leave_to_others(broker: ClusterBroker, message: Any, retry: Retry) -> None:
        if retry.is_better_elsewhere and isinstance(model := message.kwargs.get("model"), str):
            broker.restraint.shun(model, retry.delay_ms / 1000 + SHUNNED_SECONDS)


class _PatientBroker:
    """As much of a broker as retries need; what it enqueues waits for a Redis that is away."""

    def __init__(self, broker: ClusterBroker) -> None:
        self._broker = broker
        self.get_actor = broker.get_actor

    def enqueue(self, message: Any, *, delay: int) -> None:
        """Puts the next attempt into the queue, once however often the answer is lost."""
        until_redis_answers(
            lambda: self._broker.retry_later(message, delay),
            f"The next attempt of {message.message_id}",
        )


def _is_ours(actor: "Actor[..., Any]") -> bool:
    """Whether an actor's queue is one of the cluster's own."""
    queue = actor.queue_name
    return queue in (keys.INFERENCE_QUEUE, keys.CONTROL_QUEUE) or is_control_queue(queue)
