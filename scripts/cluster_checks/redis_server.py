"""Checks of the server that holds the queues, and of the database that holds the results."""

import uuid
from collections.abc import Mapping
from typing import Any

import redis

from scripts.cluster_checks.check import Check
from settings import keys
from settings.config import Settings
from settings.connections import queue_client, result_client
from settings.local_redis import CHOICES, MINIMUM_VERSION

#: What INFO tells of a server.
ServerInfo = Mapping[str, Any]


def check_server(settings: Settings, address: str) -> list[Check]:
    """How Redis is reached, and what it is; only the first check when it does not answer."""
    try:
        with queue_client(settings) as client:
            told = client.info()
    except (redis.AuthenticationError, redis.ResponseError) as error:
        return [Check("redis", "failed", f"refuses at {address}: {error}", "put the right password into REDIS_URL")]
    except (redis.RedisError, OSError) as error:
        return [Check("redis", "failed", f"does not answer at {address}: {error}", CHOICES)]
    return [
        Check("redis", "ok", f"answers at {address}"),
        check_version(told),
        check_eviction(told),
        check_persistence(told),
        check_results(settings),
    ]


def check_version(told: ServerInfo) -> Check:
    """New enough for the commands that are used."""
    version, needed = str(told["redis_version"]), ".".join(map(str, MINIMUM_VERSION))
    product = f"Valkey {told['valkey_version']}" if "valkey_version" in told else f"Redis {version}"
    if tuple(int(part) for part in version.split(".")[:2]) < MINIMUM_VERSION:
        return Check("redis version", "failed", f"{product} is older than {needed}", f"install Redis {needed} or newer")
    return Check("redis version", "ok", product)


def check_eviction(told: ServerInfo) -> Check:
    """Queued tasks are never dropped to make room for others."""
    policy = told["maxmemory_policy"]
    if policy != "noeviction":
        return Check(
            "eviction",
            "failed",
            f"maxmemory-policy {policy} drops tasks when memory is short",
            "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
        )
    return Check("eviction", "ok", "maxmemory-policy noeviction")


def check_persistence(told: ServerInfo) -> Check:
    """Queued tasks outlive a restart of the server."""
    if not told["aof_enabled"]:
        return Check(
            "persistence",
            "warning",
            "appendonly is off: a restart of Redis loses tasks",
            "redis-cli CONFIG SET appendonly yes, and the same in redis.conf",
        )
    return Check("persistence", "ok", "appendonly is on")


def check_results(settings: Settings) -> Check:
    """Results can be stored and read back."""
    key = keys.stream(f"check-{uuid.uuid4()}")
    try:
        with result_client(settings) as client:
            client.set(key, "written", ex=10)
            answer = client.getdel(key)
    except (redis.RedisError, OSError) as error:
        return Check("results", "failed", f"cannot be stored: {error}", "set RESULT_BACKEND_URL to a writable Redis")
    if answer != b"written":
        return Check("results", "failed", "what was written could not be read", "look for another writer, or a replica")
    return Check("results", "ok", "can be stored and read")
