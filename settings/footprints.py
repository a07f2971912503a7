"""What models took in memory, and their batches may, shared among identical devices: of one backend, name and size."""

import logging
from collections.abc import Mapping
from typing import Any, cast

import redis

from settings import keys

logger = logging.getLogger(__name__)

#: How big a model was is remembered for a month after it was loaded.
FOOTPRINT_TTL_SECONDS = 30 * 86_400

#: The field for those who only ask who may have room for a model.
LAST_FOOTPRINT = "last"


def field(revision: str, architecture: str, dtype: str, device_class: str) -> str:
    """Where one measurement stands in a model's hash."""
    return f"{revision} {architecture} {dtype} {device_class}"


def ceiling_field(revision: str, architecture: str, dtype: str, device_class: str) -> str:
    """Where the padded tokens stand that fit into one batch."""
    return f"{field(revision, architecture, dtype, device_class)} tokens"


def note_footprints(pipe: Any, model: str, measured: Mapping[str, int]) -> None:
    """Adds to a pipeline what was measured of a model, by field."""
    key = keys.footprint(model)
    pipe.hset(key, mapping={**measured, LAST_FOOTPRINT: max(measured.values())})
    pipe.expire(key, FOOTPRINT_TTL_SECONDS)


def note_ceiling(pipe: Any, model: str, name: str, tokens: int) -> None:
    """Adds to a pipeline how large a batch of a model may be."""
    key = keys.footprint(model)
    pipe.hset(key, name, tokens)
    pipe.expire(key, FOOTPRINT_TTL_SECONDS)


def read_footprint(client: redis.Redis, model: str, name: str) -> int | None:
    """One measurement; None when there is none, or Redis does not answer."""
    try:
        stored = cast("bytes | None", client.hget(keys.footprint(model), name))
    except redis.RedisError as error:
        logger.debug("What %s takes is not known: %s", model, error)
        return None
    return int(stored) if stored and stored.isdigit() else None
