"""What is known of a task that is looked for: its message, or no more than its id."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import AliasPath, BeforeValidator, Field, ValidationError

from settings import keys
from settings.lane_names import lanes_of
from settings.records import Record

#: What Dramatiq adds to the name of a queue whose message waits for its time.
_DELAYED = ".DQ"


def _text_or_none(value: object) -> object:
    return value if isinstance(value, str) else None


def _number_or_none(value: object) -> object:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_Text = Annotated[str | None, BeforeValidator(_text_or_none)]
_Number = Annotated[int | None, BeforeValidator(_number_or_none)]


class _Options(Record):
    lane: _Text = None
    redis_message_id: _Text = None
    eta: _Number = None
    retries: _Number = None
    traceback: _Text = None


class MessageBody(Record):
    """What of a Dramatiq message says where it is; senders may have written anything into its options."""

    message_id: str
    queue_name: str
    actor_name: str
    message_timestamp: int
    model: _Text = Field(default=None, validation_alias=AliasPath("kwargs", "model"))
    options: _Options

    @property
    def failure(self) -> str | None:
        """The last line of the traceback that a retry carries: the error's class and text."""
        lines = (self.options.traceback or "").strip().splitlines()
        return lines[-1] if lines else None


@dataclass(frozen=True)
class SoughtTask:
    """A task with as much as is known of it."""

    message_id: str
    actor: str | None = None
    model: str | None = None
    queue: str = keys.INFERENCE_QUEUE
    lane: str | None = None
    """The list that it waits in, or waited in last."""
    redis_id: str | None = None
    sent_at: float | None = None

    @classmethod
    def from_message(cls, fields: Mapping[str, Any]) -> Self:
        """A task whose message's fields are known.

        Raises:
          pydantic.ValidationError: When they are not those of a message.
        """
        return cls.from_body(MessageBody.model_validate(fields))

    @classmethod
    def from_body(cls, body: MessageBody) -> Self:
        """A task whose message was read."""
        queue, redis_id = body.queue_name.removesuffix(_DELAYED), body.options.redis_message_id
        return cls(
            message_id=body.message_id,
            actor=body.actor_name,
            model=body.model,
            queue=queue,
            lane=body.options.lane or queue if redis_id else None,
            redis_id=redis_id,
            sent_at=body.message_timestamp / 1000,
        )

    @property
    def actors(self) -> tuple[str, ...]:
        """The actors whose task it may be."""
        return (self.actor,) if self.actor else keys.INFERENCE_ACTORS

    def possible_lists(self, all_lists: tuple[str, ...]) -> tuple[str, ...]:
        """Of all queues and lanes those that it may be in."""
        if self.actor is None:
            return all_lists
        lanes = lanes_of(self.queue, self.model) if self.model else ()
        return tuple(dict.fromkeys([*lanes, self.queue, self.lane or self.queue]))


def read_body(stored: bytes) -> MessageBody | None:
    """A stored message, None for what is none."""
    try:
        return MessageBody.from_json(stored)
    except ValidationError:
        return None
