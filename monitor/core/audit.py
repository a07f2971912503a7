"""What operators have done through a monitor: told to Redis, so that every monitor shows it."""

import getpass
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import redis

from settings import keys

#: About so many events are kept.
MOST_EVENTS = 1_000

#: So many of the latest are read with each snapshot.
SHOWN_EVENTS = 20

#: Appends an event in a script whose first words are who, what and about; `count` is a number of the script.
NOTE = f"""
local function note(stream, count)
  redis.call('XADD', stream, 'MAXLEN', '~', {MOST_EVENTS}, '*', 'who', ARGV[1], 'what', ARGV[2], 'about', ARGV[3],
    'count', count)
end
"""


@dataclass(frozen=True)
class AuditEvent:
    """One thing that was done, by Redis' clock."""

    at: float
    who: str
    """USER@HOST."""
    what: str
    about: str
    """The worker, lane or queue."""
    count: int
    """How many messages or workers it changed."""


def operator_name() -> str:
    """USER@HOST of whoever runs this monitor."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:100]


def note_event(client: redis.Redis, what: str, about: str, count: int) -> None:
    """Tells what has been done.

    Raises:
      redis.RedisError: When Redis does not answer.
    """
    event: dict[Any, Any] = {"who": operator_name(), "what": what, "about": about[:300], "count": count}
    client.xadd(keys.AUDIT, event, maxlen=MOST_EVENTS, approximate=True)


def ask_audit(pipe: Any) -> None:
    """Adds to a pipeline what `read_audit` needs."""
    pipe.xrevrange(keys.AUDIT, count=SHOWN_EVENTS)


def read_audit(entries: Iterable[tuple[bytes, Mapping[bytes, bytes]]]) -> tuple[AuditEvent, ...]:
    """The latest events, the newest first; anybody may have written anything into them."""
    return tuple(_event(entry_id, fields) for entry_id, fields in entries)


def _event(entry_id: bytes, fields: Mapping[bytes, bytes]) -> AuditEvent:
    who, what, about, count = (fields.get(name, b"").decode(errors="replace") for name in _FIELDS)
    at = int(entry_id.partition(b"-")[0]) / 1000
    return AuditEvent(at, who, what, about, int(count) if count.isdecimal() and len(count) < 10 else 0)


_FIELDS = (b"who", b"what", b"about", b"count")
