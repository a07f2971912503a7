"""How long a task's model stays in memory after it: the message option that says so."""

from collections.abc import Mapping
from typing import Any

from actors.errors import InvalidRequest
from settings.keep_alive import FOR_EVER, keep_alive_seconds

#: The message option that holds it, in Ollama's grammar.
OPTION = "keep_alive"


def checked_keep_alive(value: object) -> float:
    """The seconds that a caller means; infinite for any negative duration.

    Raises:
      InvalidRequest: When it is no duration.
    """
    try:
        return keep_alive_seconds(value)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None


def keep_alive_option(value: object) -> float | int:
    """What a message carries: JSON has no infinity.

    Raises:
      InvalidRequest: When it is no duration.
    """
    seconds = checked_keep_alive(value)
    return -1 if seconds == FOR_EVER else seconds


def keep_alive_of(options: Mapping[str, Any]) -> float | None:
    """What a message says; None for one that says nothing.

    Raises:
      InvalidRequest: When its sender wrote something else into the option.
    """
    value = options.get(OPTION)
    return None if value is None else checked_keep_alive(value)
