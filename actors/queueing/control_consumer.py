"""The consumer of the commands to one process; what it leaves behind expires, because nobody else may take it."""

from collections.abc import Iterable
from typing import Any

from dramatiq.message import Message

from actors.queueing.consumer import WakingConsumer
from settings import keys

#: Nobody waits so long for the answer to a command.
COMMAND_TTL_SECONDS = 3_600


class ControlConsumer(WakingConsumer):
    """Of one queue that one worker process alone consumes, and that no recovery gives to another."""

    def requeue(self, messages: Iterable[Any]) -> None:
        super().requeue(messages)
        self._limit_life()

    def _fetch(self, room: int) -> list[Message[Any]]:
        if fetched := super()._fetch(room):
            self._limit_life()
        return fetched

    def _limit_life(self) -> None:
        """Redis forgets a TTL with the last element, so it is set again whenever something was added."""
        names = (keys.ready(self.queue_name), keys.acks(self.broker.broker_id, self.queue_name))
        with self.broker.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.expire(name, COMMAND_TTL_SECONDS)
            pipe.execute()


def is_control_queue(queue_name: str) -> bool:
    """Whether a queue is one process's own."""
    return queue_name.startswith(keys.control_queue(""))
