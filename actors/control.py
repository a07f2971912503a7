"""The actor of commands to one worker process, on that process's own queue; `Client.workers` sends it."""

import logging
import time
from typing import Any

import dramatiq
from dramatiq.middleware import CurrentMessage

from actors.broker import broker
from actors.context import device_worker
from actors.errors import ClusterError, DeadlineExceeded, InvalidRequest
from actors.middleware.recycling import Recycling
from actors.payloads import parse_command
from actors.queueing.deadlines import seconds_left
from actors.serving.commanded import Commanded
from settings import keys
from settings.worker_commands import CommandAnswer, CommandOutcome

logger = logging.getLogger(__name__)

#: A command without a deadline of its own.
LONGEST_SECONDS = 3_600.0


@dramatiq.actor(broker=broker, queue_name=keys.CONTROL_QUEUE)
def command_worker(**fields: Any) -> dict[str, Any]:
    """Does what `actors.payloads.WorkerCommand` says; returns the outcome, or the error's class and text.

    An error is an answer, because a failed message would be retried, and by any worker.
    """
    return _answer(fields).model_dump(mode="json")


def _answer(fields: dict[str, Any]) -> CommandAnswer:
    try:
        return CommandAnswer(outcome=_carry_out(fields))
    except ClusterError as error:
        return CommandAnswer(error=(type(error).__name__, str(error)))
    except TimeoutError:
        text = "the device was busy until the command's time was over"
        return CommandAnswer(error=(DeadlineExceeded.__name__, text))
    except Exception as error:
        logger.exception("A command to this worker failed.")
        return CommandAnswer(error=(type(error).__name__, str(error)))


def _carry_out(fields: dict[str, Any]) -> CommandOutcome:
    command, message, worker = parse_command(fields), CurrentMessage.get_current_message(), device_worker()
    if message is None or message.queue_name != keys.control_queue(command.worker_id):
        raise InvalidRequest(f"a command to {command.worker_id} is to be sent to {command.worker_id}'s own queue")
    left = min(seconds_left(message.options, time.time()), LONGEST_SECONDS)
    if left <= 0:
        raise DeadlineExceeded(f"{command.action} was not begun: its caller waits no more")
    commanded = Commanded(worker, command.worker_id, broker.restraint, _recycling().request)
    outcome = commanded.carry_out(command, left)
    if command.action == "resume":
        broker.doorbell.event(keys.INFERENCE_QUEUE).set()
    return outcome


def _recycling() -> Recycling:
    return next(each for each in broker.middleware if isinstance(each, Recycling))
