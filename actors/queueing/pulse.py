"""Whether a subscription still hears: a connection may die without a word, and a silent one looks no different."""

import time

import redis

#: A subscription that was silent for so long is asked for a sign of life.
PING_SECONDS = 10.0

#: How long it has for the answer.
PONG_SECONDS = 5.0


class SubscriptionLost(redis.TimeoutError):
    """Raised when a subscription gave no sign of life."""


class Pulse:
    """Of one subscription; knows nothing of how it is asked."""

    def __init__(self) -> None:
        self._heard_at = time.monotonic()
        self._asked_at: float | None = None

    def heard(self) -> None:
        """Something came, whatever it was."""
        self._heard_at, self._asked_at = time.monotonic(), None

    def is_to_be_asked(self) -> bool:
        """Whether to send a ping now; to be called after each look for what has come.

        Raises:
          SubscriptionLost: When it was asked before and gave no answer.
        """
        now = time.monotonic()
        if self._asked_at is not None:
            if now - self._asked_at > PONG_SECONDS:
                raise SubscriptionLost(f"nothing came for {now - self._heard_at:.0f} s, and no answer to a ping")
            return False
        if now - self._heard_at < PING_SECONDS:
            return False
        self._asked_at = now
        return True
