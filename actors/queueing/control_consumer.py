"""The consumer of the commands to one process; what it leaves behind expires, because nobody else may take it."""

import logging
from collections.abc import Iterable
from typing import Any

import redis
from dramatiq.message import Message

from actors.queueing.commands import command, execute
from actors.queueing.consumer import WakingConsumer
from settings import keys
from settings.worker_commands import COMMAND_TTL_SECONDS

logger = logging.getLogger(__name__)


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
        try:
            execute(self.broker.client, [command("EXPIRE", name, COMMAND_TTL_SECONDS) for name in names])
        except redis.RedisError as error:  # what was fetched must not be lost for that
            logger.debug("The commands of %s do not expire: %s", self.queue_name, error)


def is_control_queue(queue_name: str) -> bool:
    """Whether a queue is one process's own."""
    return queue_name.startswith(keys.control_queue(""))
