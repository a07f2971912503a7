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

#: More than any count or time in milliseconds; a larger number could not be made a float.
_MOST = 2**63


def _text_or_none(value: object) -> object:
    return value if isinstance(value, str) else None


def _number_or_none(value: object) -> object:
    return value if isinstance(value, int) and 0 <= value <= _MOST else None


def _texts(value: object) -> object:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


_Text = Annotated[str | None, BeforeValidator(_text_or_none)]
_Number = Annotated[int | None, BeforeValidator(_number_or_none)]
_Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class _Options(Record):
    lane: _Text = None
    redis_message_id: _Text = None
    eta: _Number = None
    retries: _Number = None
    retry_reasons: _Texts = ()
    traceback: _Text = None


class MessageBody(Record):
    """What of a Dramatiq message says where it is; senders may have written anything into its options."""

    message_id: str
    queue_name: str
    actor_name: str
    message_timestamp: int = Field(ge=0, le=_MOST)
    model: _Text = Field(default=None, validation_alias=AliasPath("kwargs", "model"))
    options: _Options

    @property
    def failure(self) -> str | None:
        """Why the last attempt failed, if there was one: the latest reason, else the end of Dramatiq's traceback."""
        lines = (*(self.options.traceback or "").strip().splitlines(), *self.options.retry_reasons)
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

    @property
    def possible_lists(self) -> tuple[str, ...]:
        """The lists that it may be in: the lanes of its model, its queue's own, and where it was last."""
        lanes = lanes_of(self.queue, self.model) if self.model else ()
        return tuple(dict.fromkeys([*lanes, self.queue, self.lane or self.queue]))


def read_body(stored: bytes) -> MessageBody | None:
    """A stored message, None for what is none."""
    try:
        return MessageBody.from_json(stored)
    except ValidationError:
        return None
