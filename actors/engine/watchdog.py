"""Ends the process when the device thread makes no progress, also when a driver's call holds the GIL."""

import faulthandler
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)

#: Arming starts a thread in C and takes some 40 µs, so progress does not arm the alarm again before this has passed.
REARM_SECONDS = 1.0

#: How long after the last words in the log the process ends: the Dramatiq master has to read them.
LAST_WORDS_SECONDS = 1.0

#: The worker's real stderr: Dramatiq replaces `sys.stderr` by a pipe that nobody can write to without the GIL.
STDERR = 2


class Alarm(Protocol):
    """The part of `faulthandler` that is used: it writes all stacks and ends the process without the GIL."""

    def dump_traceback_later(self, timeout: float, *, exit: bool, file: int) -> None:
        """Ends the process with code 1 after so many seconds; replaces what was armed before."""

    def cancel_dump_traceback_later(self) -> None:
        """Disarms."""


class Watchdog:
    """Watches one operation of the device thread at a time. Its own thread only logs; the alarm is what ends."""

    def __init__(self, alarm: Alarm = faulthandler, clock: Callable[[], float] = time.monotonic) -> None:
        self._alarm, self._clock = alarm, clock
        self._operation = ""
        self._limit_seconds = 0.0
        self._progress_at: float | None = None
        self._armed_at = 0.0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to look for an operation whose end has to be announced."""
        self._thread = threading.Thread(target=self._look_until_ended, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Disarms for good."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        self.rest()

    def watch(self, operation: str, limit_seconds: float) -> None:
        """An operation begins; it may go for so long without progress. On the device thread, as the next two."""
        is_due = self._progress_at is None or limit_seconds != self._limit_seconds
        self._operation, self._limit_seconds = operation, limit_seconds
        self._note_progress(is_due)

    def progress(self) -> None:
        """The operation has got further."""
        if self._progress_at is not None:
            self._note_progress(is_due=False)

    def rest(self) -> None:
        """Nothing is being done, for as long as that takes."""
        if self._progress_at is not None:
            self._progress_at = None
            self._alarm.cancel_dump_traceback_later()

    @property
    def is_armed(self) -> bool:
        """Whether an operation is being watched."""
        return self._progress_at is not None

    def announce_if_late(self) -> bool:
        """Says in the log what happens next, when the limit has passed; on any thread."""
        if (progress_at := self._progress_at) is None or self._clock() - progress_at < self._limit_seconds:
            return False
        logger.critical(
            "The device thread has made no progress for %.0f s while %s. This process ends now, with the stacks of all"
            " threads on stderr; its tasks go back to the queue.",
            self._limit_seconds,
            self._operation,
        )
        return True

    def _note_progress(self, is_due: bool) -> None:
        now = self._clock()
        self._progress_at = now
        if is_due or now - self._armed_at >= REARM_SECONDS:
            self._armed_at = now
            # The alarm knows of progress up to one REARM_SECONDS late, and must not come before the last words.
            seconds = self._limit_seconds + REARM_SECONDS + LAST_WORDS_SECONDS
            self._alarm.dump_traceback_later(seconds, exit=True, file=STDERR)

    def _look_until_ended(self) -> None:
        while not self._ended.wait(LAST_WORDS_SECONDS / 2):
            if self.announce_if_late():
                return
