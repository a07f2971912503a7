"""A message as it lies in Redis, where anybody may have written it: read at the border, trusted inside."""

from typing import Any

import orjson
from dramatiq.errors import DecodeError
from dramatiq.message import Message


class UnreadableMessage(ValueError):
    """What lies in a queue is no message of that queue."""


def read_message(body: bytes, queue_name: str) -> Message[Any]:
    """Decodes a message and makes sure of what Dramatiq's threads take for granted.

    Raises:
      UnreadableMessage: With the reason, which does not quote the message: it may hold callers' texts.
    """
    message = _decoded(body)
    if message.queue_name != queue_name:
        raise UnreadableMessage(f"it names another queue than {queue_name}")
    strings = (message.actor_name, message.message_id)
    if not (all(isinstance(value, str) for value in strings) and isinstance(message.message_timestamp, int | float)):
        raise UnreadableMessage("actor_name and message_id must be strings, message_timestamp a number")
    if not (isinstance(message.kwargs, dict) and isinstance(message.options, dict)):
        raise UnreadableMessage("kwargs and options must be objects")
    if not isinstance(message.options.get("redis_message_id"), str):
        raise UnreadableMessage("options.redis_message_id must be the id that it is stored under")
    _check_names(message)
    return message


def _check_names(message: Message[Any]) -> None:
    """Keys and channels are made of these; one that Redis cannot take would fail what is settled beside it."""
    chosen = [message.options.get(name) or "" for name in ("redis_message_id", "lane", "reply_to")]
    try:
        for name in (message.message_id, message.actor_name, *chosen):
            name.encode()
    except (AttributeError, UnicodeEncodeError):
        raise UnreadableMessage("its ids, options.lane and options.reply_to must be strings of UTF-8") from None


def _decoded(body: bytes) -> Message[Any]:
    """What Dramatiq's encoder reads, faster; what orjson refuses, such as NaN, is left to it."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _decoded_by_dramatiq(body)
    try:
        return Message(**{**fields, "args": tuple(fields["args"])})
    except (TypeError, KeyError):
        raise UnreadableMessage("it has not exactly the fields of a message") from None


def _decoded_by_dramatiq(body: bytes) -> Message[Any]:
    try:
        return Message.decode(body)
    except DecodeError:
        raise UnreadableMessage("it is not a message in JSON") from None
