"""The stream of what has happened to workers and their models."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import redis
from pydantic import ValidationError

from settings import keys
from settings.records import RECORD_VERSION, LifecycleEvent

#: About so many are kept.
MOST_EVENTS = 1_000

#: The stream expires a day after its last entry.
EVENTS_TTL_SECONDS = 86_400


@dataclass(frozen=True)
class StoredEvent:
    """One entry of the stream."""

    id: str
    """What to ask for the later ones with."""
    at: float
    """When it was told, by Redis' clock."""
    event: LifecycleEvent


def note_events(pipe: Any, events: Iterable[LifecycleEvent]) -> None:
    """Adds to a pipeline what has happened; nothing when nothing has."""
    for event in events:
        pipe.xadd(keys.EVENTS, {"event": event.to_json()}, maxlen=MOST_EVENTS, approximate=True)
        pipe.expire(keys.EVENTS, EVENTS_TTL_SECONDS)


def read_events(client: redis.Redis, since: str | None = None) -> tuple[StoredEvent, ...]:
    """What was told after the event with an id, the oldest first; all that is kept when there is none.

    Raises:
      redis.RedisError: When Redis does not answer, or not to such an id.
    """
    entries = cast(
        "list[tuple[bytes, Mapping[bytes, bytes]]]", client.xrange(keys.EVENTS, f"({since}" if since else "-")
    )
    return tuple(event for entry_id, fields in entries if (event := _readable(entry_id.decode(), fields)))


def _readable(entry_id: str, fields: Mapping[bytes, bytes]) -> StoredEvent | None:
    """None for one of another version or shape."""
    try:
        event = LifecycleEvent.from_json(fields.get(b"event", b""))
    except ValidationError:
        return None
    at = int(entry_id.partition("-")[0]) / 1000
    return StoredEvent(entry_id, at, event) if event.version == RECORD_VERSION else None
