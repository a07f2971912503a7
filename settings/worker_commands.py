"""Commands to one worker process: how they lie in its queue and what comes back, for clients and the monitor alike.

A command is an ordinary Dramatiq message of the actor `command_worker`; its result is the answer.
"""

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any, Literal

import redis
from pydantic import BaseModel, ConfigDict

from settings import keys
from settings.message_ids import sortable_id

#: What a worker can be told to do.
Action = Literal["load", "unload", "pin", "unpin", "drain", "resume", "recycle"]

#: The actor that carries commands out.
ACTOR = "command_worker"

#: The message option until when a message is of use to its sender, in milliseconds since the epoch.
DEADLINE_OPTION = "deadline"

#: Nobody waits so long for the answer to a command.
COMMAND_TTL_SECONDS = 3_600

#: A load may have to read many gigabytes.
LOAD_SECONDS = 300.0

#: Everything else waits for one batch at most.
COMMAND_SECONDS = 30.0


class CommandOutcome(BaseModel):
    """What a worker has done, and the memory of its device before and after."""

    model_config = ConfigDict(frozen=True)

    worker_id: str
    action: Action
    text: str
    """What was done, in a sentence."""
    models: tuple[str, ...] = ()
    """The models that it was about, with their revisions."""
    memory_before: int | None = None
    """Bytes in use; None when nobody can tell."""
    memory_after: int | None = None
    memory_source: str | None = None


class CommandAnswer(BaseModel):
    """What a worker returns: the outcome, or the class and the text of the error that it ended with."""

    model_config = ConfigDict(frozen=True)

    outcome: CommandOutcome | None = None
    error: tuple[str, str] | None = None


@dataclass(frozen=True)
class Command:
    """A command as it is sent."""

    worker_id: str
    action: Action
    fields: dict[str, Any]
    """The command's keywords besides these two."""
    message_id: str
    deadline_ms: int

    @classmethod
    def now(cls, worker_id: str, action: Action, seconds: float, **fields: Any) -> "Command":
        """A command that is of use for so many seconds from now on; fields that are None are not sent."""
        given = {name: value for name, value in fields.items() if value is not None}
        return cls(worker_id, action, given, str(uuid.uuid4()), int((time.time() + seconds) * 1000))

    @property
    def result_key(self) -> str:
        """Where its answer comes."""
        return keys.result(keys.control_queue(self.worker_id), ACTOR, self.message_id)

    def to_message(self, redis_id: str) -> bytes:
        """The message as it is stored under `redis_id`."""
        message = {
            "queue_name": keys.control_queue(self.worker_id),
            "actor_name": ACTOR,
            "args": [],
            "kwargs": {"worker_id": self.worker_id, "action": self.action, **self.fields},
            "options": {DEADLINE_OPTION: self.deadline_ms, "redis_message_id": redis_id},
            "message_id": self.message_id,
            "message_timestamp": int(time.time() * 1000),
        }
        return json.dumps(message, separators=(",", ":")).encode()


def send_command(client: redis.Redis, command: Command) -> bool:
    """Puts a command into the queue of its worker, where it expires when nobody takes it.

    Returns whether the worker has a record, without which nothing is sent.

    Raises:
      redis.RedisError: When Redis does not answer; it may have been sent.
    """
    if not client.exists(keys.worker(command.worker_id)):
        return False
    queue, redis_id = keys.control_queue(command.worker_id), sortable_id()
    with client.pipeline(transaction=True) as pipe:
        pipe.hset(keys.bodies(queue), redis_id, command.to_message(redis_id))
        pipe.rpush(keys.ready(queue), redis_id)
        for name in (keys.ready(queue), keys.bodies(queue)):
            pipe.expire(name, COMMAND_TTL_SECONDS)
        pipe.publish(keys.bell(queue), b"")
        pipe.execute()
    return True


def read_answer(stored: bytes) -> CommandAnswer:
    """The answer in a stored result.

    Raises:
      pydantic.ValidationError: When it is none.
    """
    answer = _StoredAnswer.model_validate_json(stored)
    return CommandAnswer(error=(answer.exn.type, answer.exn.msg)) if answer.exn else answer


class _StoredFailure(BaseModel):
    type: str
    msg: str


class _StoredAnswer(CommandAnswer):
    exn: _StoredFailure | None = None
    """What Dramatiq stores of a command that did not come to its actor."""
