"""A task's deadline: the message option that says until when its result is of use to its caller."""

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from actors.errors import InvalidRequest
from settings.worker_commands import DEADLINE_OPTION

#: The message option that holds it, in milliseconds since the epoch by the sender's clock.
OPTION = DEADLINE_OPTION

#: A wait of more than ten years ends after ten, so that every clock can tell its end.
LONGEST_SECONDS = 315_360_000.0


def deadline_ms(timeout: object, now: float) -> int:
    """The deadline of a task whose result is of use for `timeout` seconds from `now`, a time since the epoch.

    Raises:
      InvalidRequest: When the timeout is not a positive finite number.
    """
    if not (_is_number(timeout) and 0 < timeout < math.inf):
        raise InvalidRequest(f"timeout={timeout!r:.80}: a positive number of seconds is needed")
    return int((now + min(timeout, LONGEST_SECONDS)) * 1000)


def seconds_left(options: Mapping[str, Any], now: float) -> float:
    """How long a message's result is of use from `now` on; infinite for one without a deadline.

    Raises:
      InvalidRequest: When the message's sender wrote something else into the option.
    """
    if (deadline := options.get(OPTION)) is None:
        return math.inf
    if not (_is_number(deadline) and 0 <= deadline < 2**63):
        raise InvalidRequest(f"the option {OPTION}={deadline!r:.80} must be in milliseconds since the epoch")
    return float(deadline / 1000 - now)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
