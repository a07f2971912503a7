"""Tries a task again that failed for a passing reason."""

import logging
from typing import Any, cast

from dramatiq import Broker
from dramatiq.middleware import Middleware

from actors.queueing.broker import ClusterBroker
from actors.queueing.claims import SHUNNED_SECONDS
from actors.queueing.consumer import keep_if_interrupted
from actors.queueing.patience import until_redis_answers
from actors.queueing.retry_policy import Pauses, Retry, choose_retry, options_after, reasons_of

logger = logging.getLogger(__name__)


class Retries(Middleware):
    """In place of Dramatiq's own, which acknowledges a task although Redis was away when it was to be put back."""

    @property
    def actor_options(self) -> set[str]:
        """Errors that Dramatiq's worker logs without their traceback, and the bounds of the pauses in milliseconds."""
        return {"throws", "min_backoff", "max_backoff"}

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """The finisher or a worker thread; the message is acknowledged after this unless it has failed or is kept."""
        if exception is None:
            return
        reasons = reasons_of(message.options)
        pauses = Pauses.of(message.options, broker.get_actor(message.actor_name).options)
        retry = choose_retry(exception, reasons, pauses)
        if retry is None:
            message.fail()
            return
        message.options.update(options_after(exception, reasons))
        logger.info("%s is tried again in %d ms.", message.message_id, retry.delay_ms)
        self._leave_to_others(cast("ClusterBroker", broker), message, retry)

        def enqueue_next() -> None:
            broker.enqueue(message, delay=retry.delay_ms)

        with keep_if_interrupted(message):
            until_redis_answers(enqueue_next, f"The next attempt of {message.message_id}")

    @staticmethod
    def _leave_to_others(broker: ClusterBroker, message: Any, retry: Retry) -> None:
        if retry.is_better_elsewhere and isinstance(model := message.kwargs.get("model"), str):
            broker.restraint.shun(model, retry.delay_ms / 1000 + SHUNNED_SECONDS)
