"""Makes sure of a Redis before a worker asks for its first message."""

import os

from dramatiq import Broker
from dramatiq.middleware import Middleware

from settings.config import Settings
from settings.local_redis import ensure_redis


class LocalRedis(Middleware):
    """Finds the configured Redis or starts a private one, which ends with the Dramatiq master."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def after_process_boot(self, broker: Broker) -> None:
        """Worker processes only, main thread, before anything has been sent to Redis."""
        ensure_redis(self._settings, owner_pid=os.getppid())
