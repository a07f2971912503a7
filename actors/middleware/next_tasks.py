"""Dramatiq's hooks that send the tasks which follow one that ended, so that an absence of Redis loses none of them."""

from typing import Any

from dramatiq import Broker
from dramatiq.middleware import Callbacks, Pipelines

from actors.queueing.patience import until_redis_answers


class LastingPipelines(Pipelines):
    """Sends the next task of a pipeline."""

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Worker thread; Dramatiq would log what is raised here and acknowledge the task."""
        if message.options.get("pipe_target") is None:
            return
        send = super().after_process_message
        until_redis_answers(
            lambda: send(broker, message, result=result, exception=exception),
            f"The task that follows {message.message_id}",
        )


class LastingCallbacks(Callbacks):
    """Sends the tasks of `on_success` and `on_failure`."""

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Worker thread; as above."""
        send = super().after_process_message
        until_redis_answers(
            lambda: send(broker, message, result=result, exception=exception),
            f"The callback of {message.message_id}",
        )
