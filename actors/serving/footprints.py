"""What identical devices of the cluster have measured of models."""

from typing import TYPE_CHECKING

import redis

from settings.footprints import ceiling_field, field, read_footprint

if TYPE_CHECKING:
    from actors.engine.footprints import Lookup
    from actors.engine.work import ModelKey


def footprints_of_others(client: redis.Redis, device_class: str) -> "Lookup":
    """Asks Redis for bytes, in one round trip before a load; None when it does not answer."""

    def look_up(key: "ModelKey", dtype: str) -> int | None:
        return read_footprint(client, key.name, field(key.revision, key.architecture, dtype, device_class))

    return look_up


def ceilings_of_others(client: redis.Redis, device_class: str) -> "Lookup":
    """Asks Redis for a batch's padded tokens, in one round trip after a model's first load; None as above."""

    def look_up(key: "ModelKey", dtype: str) -> int | None:
        return read_footprint(client, key.name, ceiling_field(key.revision, key.architecture, dtype, device_class))

    return look_up
