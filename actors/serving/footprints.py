"""What identical devices of the cluster have measured of models."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import redis

from settings.footprints import field, read_footprint

if TYPE_CHECKING:
    from actors.engine.work import ModelKey


def known_by_others(client: redis.Redis, device_class: str) -> "Callable[[ModelKey, str], int | None]":
    """Asks Redis, in one round trip before a load; None when it does not answer."""

    def look_up(key: "ModelKey", dtype: str) -> int | None:
        return read_footprint(client, key.name, field(key.revision, key.architecture, dtype, device_class))

    return look_up
