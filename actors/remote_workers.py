"""The workers as a client sees and commands them; `Client.workers` and `AsyncClient.workers`."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

from actors.errors import TaskFailed, WorkerSilent, WorkerUnknown, error_named
from actors.payloads import parse_command
from actors.queueing.broker import ClusterBroker
from actors.queueing.deadlines import deadline_ms
from actors.queueing.keep_alive import keep_alive_option
from actors.queueing.reachability import redis_reached
from actors.queueing.results import result_backend
from settings import keys
from settings.events import StoredEvent, read_events
from settings.records import WorkerRecord, readable_worker
from settings.worker_commands import (
    COMMAND_SECONDS,
    LOAD_SECONDS,
    Action,
    Command,
    CommandOutcome,
    read_answer,
    send_command,
)


class Workers:
    """The live workers of the cluster: `client.workers.records()`, `client.workers[worker_id].drain()`."""

    def __init__(self, broker: ClusterBroker) -> None:
        self._broker, self._results = broker, result_backend(broker)

    def __getitem__(self, worker_id: str) -> "RemoteWorker":
        """One worker, by the id in its record; nothing is asked before it is told to do something."""
        return RemoteWorker(worker_id, self._command)

    def records(self) -> tuple[WorkerRecord, ...]:
        """What the live workers last said about themselves, by their ids.

        Raises:
          RedisUnreachable: When Redis does not answer.
        """
        client = self._broker.client
        with redis_reached():
            ids = cast("list[bytes]", client.zrange(keys.WORKERS, 0, -1))
            texts = cast("list[bytes | None]", client.mget([keys.worker(each.decode()) for each in ids])) if ids else []
        records = [record for text in texts if (record := readable_worker(text))]
        return tuple(sorted(records, key=lambda record: record.worker_id))

    def events(self, since: str | None = None) -> tuple[StoredEvent, ...]:
        """What has happened to workers and their models after the event with an id, the oldest first.

        Raises:
          RedisUnreachable: When Redis does not answer.
        """
        with redis_reached():
            return read_events(self._broker.client, since)

    def _command(self, worker_id: str, action: Action, timeout: float, **fields: Any) -> CommandOutcome:
        deadline_ms(timeout, time.time())  # which says what is wrong with a timeout
        command = Command.now(worker_id, action, timeout, **fields)
        parse_command({"worker_id": worker_id, "action": action, **command.fields})
        with redis_reached():
            if not send_command(self._broker.client, command):
                raise WorkerUnknown(f"there is no live worker {worker_id!r:.200}; `workers.records()` lists them")
            stored = self._results.wait(command.result_key, timeout)
        if stored is None:
            raise WorkerSilent(f"{worker_id} did not answer {action} within {timeout:g} s; it may still do it")
        answer = read_answer(stored)
        if answer.outcome is None:
            raise error_named(*(answer.error or (TaskFailed.__name__, "the answer says nothing")))
        return answer.outcome


class RemoteWorker:
    """Tells one worker what to do, and waits until it has done it.

    Each method raises `WorkerUnknown`, `WorkerSilent`, `InvalidRequest` and `RedisUnreachable`, besides its own.
    """

    def __init__(self, worker_id: str, command: Callable[..., CommandOutcome]) -> None:
        self.worker_id, self._command = worker_id, command

    def load(
        self, model: str, *, task: str | None = None, keep_alive: object = None, timeout: float = LOAD_SECONDS
    ) -> CommandOutcome:
        """Loads a model and computes with it once; `task` is what for, when its config does not tell.

        Raises:
          PermanentError, TransientError: Why it cannot be loaded.
        """
        lasting = None if keep_alive is None else keep_alive_option(keep_alive)
        return self._command(self.worker_id, "load", timeout, model=model, task=task, keep_alive=lasting)

    def unload(self, model: str, *, timeout: float = COMMAND_SECONDS) -> CommandOutcome:
        """Frees a model, pinned or not; the next task that needs it loads it again.

        Raises:
          ModelNotLoaded: When it is not there.
        """
        return self._command(self.worker_id, "unload", timeout, model=model)

    def pin(self, model: str, *, task: str | None = None, timeout: float = LOAD_SECONDS) -> CommandOutcome:
        """Loads a model as `load` does where needed, and keeps it until `unpin`, `unload` or the process's end."""
        return self._command(self.worker_id, "pin", timeout, model=model, task=task)

    def unpin(self, model: str, *, timeout: float = COMMAND_SECONDS) -> CommandOutcome:
        """Lets a model go when its room is needed or its keep_alive is over.

        Raises:
          ModelNotLoaded: When it is not there.
        """
        return self._command(self.worker_id, "unpin", timeout, model=model)

    def drain(self, *, timeout: float = COMMAND_SECONDS) -> CommandOutcome:
        """Takes no more inference tasks until `resume`; those in hand are finished. Returns at once."""
        return self._command(self.worker_id, "drain", timeout)

    def resume(self, *, timeout: float = COMMAND_SECONDS) -> CommandOutcome:
        """Takes tasks again."""
        return self._command(self.worker_id, "resume", timeout)

    def recycle(self, *, timeout: float = COMMAND_SECONDS) -> CommandOutcome:
        """Ends the process after its tasks in hand; its launcher starts it again. Returns at once."""
        return self._command(self.worker_id, "recycle", timeout)


class AsyncWorkers:
    """`Workers` for asyncio."""

    def __init__(self, broker: ClusterBroker) -> None:
        self._workers = Workers(broker)

    def __getitem__(self, worker_id: str) -> "AsyncRemoteWorker":
        return AsyncRemoteWorker(self._workers[worker_id])

    async def records(self) -> tuple[WorkerRecord, ...]:
        """As `Workers.records`."""
        return await asyncio.to_thread(self._workers.records)

    async def events(self, since: str | None = None) -> tuple[StoredEvent, ...]:
        """As `Workers.events`."""
        return await asyncio.to_thread(self._workers.events, since)


class AsyncRemoteWorker:
    """`RemoteWorker` for asyncio; each command waits in a thread."""

    def __init__(self, worker: RemoteWorker) -> None:
        self._worker = worker

    async def load(
        self, model: str, *, task: str | None = None, keep_alive: object = None, timeout: float = LOAD_SECONDS
    ) -> CommandOutcome:
        """As `RemoteWorker.load`."""
        return await asyncio.to_thread(self._worker.load, model, task=task, keep_alive=keep_alive, timeout=timeout)

    async def unload(self, model: str, *, timeout: float = COMMAND_SECONDS) -> CommandOutcome:
        """As `RemoteWorker.unload`."""
        return await asyncio.to_thread(self._worker.unload, model, timeout=timeout)

    async def pin(self, model: str, *, task: str | None = None, timeout: float = LOAD_SECONDS) -> CommandOutcome:
        """As `RemoteWorker.pin`."""
        return await asyncio.to_thread(self._worker.pin, model, task=task, timeout=timeout)

    async def unpin(self, model: str, *, timeout: float = COMMAND_SECONDS) -> CommandOutcome:
        """As `RemoteWorker.unpin`."""
        return await asyncio.to_thread(self._worker.unpin, model, timeout=timeout)

    async def drain(self, *, timeout: float = COMMAND_SECONDS) -> CommandOutcome:
        """As `RemoteWorker.drain`."""
        return await asyncio.to_thread(self._worker.drain, timeout=timeout)

    async def resume(self, *, timeout: float = COMMAND_SECONDS) -> CommandOutcome:
        """As `RemoteWorker.resume`."""
        return await asyncio.to_thread(self._worker.resume, timeout=timeout)

    async def recycle(self, *, timeout: float = COMMAND_SECONDS) -> CommandOutcome:
        """As `RemoteWorker.recycle`."""
        return await asyncio.to_thread(self._worker.recycle, timeout=timeout)
