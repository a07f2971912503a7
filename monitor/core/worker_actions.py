"""Tells workers what to do, and what came of it in a sentence."""

import time
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from monitor.core.audit import note_event
from monitor.core.formatting import format_bytes
from monitor.core.told import Told
from settings import connections
from settings.config import Settings
from settings.worker_commands import (
    COMMAND_SECONDS,
    LOAD_SECONDS,
    Action,
    Command,
    CommandOutcome,
    read_answer,
    send_command,
)

#: One look for an answer; shorter than the connection's own timeout.
LOOK_SECONDS = 1.0


class WorkerActions:
    """The workers of a cluster; blocks until a worker answers, so it belongs into a thread."""

    def __init__(self, settings: Settings) -> None:
        self._queues = connections.queue_client(settings, connections.MONITOR)
        self._results = connections.result_client(settings, connections.MONITOR)

    def command(
        self,
        worker_id: str,
        action: Action,
        model: str | None = None,
        *,
        seconds: float | None = None,
        is_over: Callable[[], bool] = lambda: False,
    ) -> Told:
        """Sends a command and waits for the answer, for `seconds` or as long as the action may take.

        Raises:
          redis.RedisError: When Redis does not answer; the worker may still do it.
        """
        seconds = seconds or (LOAD_SECONDS if action in ("load", "pin") else COMMAND_SECONDS)
        command = Command.now(worker_id, action, seconds, model=model)
        if not send_command(self._queues, command):
            return Told(f"There is no live worker {worker_id}.", went_well=False)
        note_event(self._queues, action, f"{worker_id} {model}" if model else worker_id, 1)
        stored = self._wait(command.result_key, time.monotonic() + seconds, is_over)
        if stored is None:
            return Told(f"{worker_id}: no answer to {action} in {seconds:g} s; it may still do it", went_well=False)
        return _read(worker_id, stored)

    def close(self) -> None:
        """Gives the connections back."""
        self._queues.close()
        self._results.close()

    def _wait(self, key: str, deadline: float, is_over: Callable[[], bool]) -> bytes | None:
        while (left := deadline - time.monotonic()) > 0 and not is_over():
            # Moving the only element onto itself is a blocking look at it.
            seconds: Any = min(left, LOOK_SECONDS)
            stored: Any = self._results.blmove(key, key, seconds, "RIGHT", "LEFT")
            if stored is not None:
                return bytes(stored)
        return None


def _read(worker_id: str, stored: bytes) -> Told:
    try:
        answer = read_answer(stored)
    except ValidationError:
        return Told(f"{worker_id}: its answer cannot be read; update the older side", went_well=False)
    if answer.outcome is None:
        return Told(f"{worker_id}: {': '.join(answer.error or ('failed without a word',))}", went_well=False)
    return Told(_sentence(worker_id, answer.outcome))


def _sentence(worker_id: str, outcome: CommandOutcome) -> str:
    words = f"{worker_id}: {' '.join([outcome.text, *outcome.models])}"
    if outcome.memory_before is None or outcome.memory_after is None:
        return words
    return f"{words}; memory {format_bytes(outcome.memory_before)} → {format_bytes(outcome.memory_after)}"
