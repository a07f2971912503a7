"""Keeps callers' texts out of the log: Dramatiq writes a failed message with all its arguments."""

import logging
from typing import Any

from dramatiq import Broker, Message
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware

#: Dramatiq's loggers that write whole messages.
LOGGERS = ("dramatiq.worker.WorkerThread", "dramatiq.worker.ConsumerThread(inference)")


class LogPrivacy(Middleware):
    """Writes `embed <message id>` where Dramatiq would write `embed(texts=['…'])`."""

    def after_process_boot(self, broker: Broker) -> None:
        """Worker processes only, main thread."""
        for name in LOGGERS:
            logging.getLogger(name).addFilter(_without_arguments)


def _without_arguments(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(_named(argument) for argument in record.args)
    return True


def _named(argument: Any) -> Any:
    if isinstance(argument, Message | MessageProxy):
        return f"{argument.actor_name} {argument.message_id}"
    return argument
