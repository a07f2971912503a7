"""Carries out what an operator tells one worker to do."""

from collections.abc import Callable

from actors.context import DeviceWorker
from actors.devices.backend import DeviceMemory
from actors.errors import InvalidRequest
from actors.payloads import WorkerCommand
from actors.queueing.restraint import Restraint
from settings.keep_alive import keep_alive_seconds
from settings.worker_commands import CommandOutcome


class Commanded:
    """One worker process. Its methods are called in Dramatiq's threads, and wait for the device thread."""

    def __init__(
        self, worker: DeviceWorker | None, worker_id: str, restraint: Restraint, recycle: Callable[[], None]
    ) -> None:
        self._worker, self._worker_id = worker, worker_id
        self._restraint, self._recycle = restraint, recycle

    def carry_out(self, command: WorkerCommand, seconds: float) -> CommandOutcome:
        """Does it, within so many seconds as far as it has to wait for the device.

        Raises:
          ClusterError: When it cannot be done.
          TimeoutError: When the device was busy for too long; then it is not done later either.
        """
        if command.action == "recycle":
            self._recycle()
            return CommandOutcome(worker_id=self._worker_id, action="recycle", text="ends after its tasks in hand")
        if self._worker is None:
            raise InvalidRequest(f"{self._worker_id} has no device: it cannot {command.action}")
        before = self._worker.device.memory()
        text, models = self._do(self._worker, command, seconds)
        after = self._worker.device.memory()
        return CommandOutcome(
            worker_id=self._worker_id,
            action=command.action,
            text=text,
            models=models,
            memory_before=_used(before),
            memory_after=_used(after),
            memory_source=after.source,
        )

    def _do(self, worker: DeviceWorker, command: WorkerCommand, seconds: float) -> tuple[str, tuple[str, ...]]:
        match command.action:
            case "load":
                return "loaded", self._load(worker, command, seconds)
            case "pin":
                return "loaded and pinned", self._load(worker, command, seconds)
            case "unload":
                return "unloaded", self._hold(worker, command, seconds)
            case "unpin":
                return "no longer pinned", self._hold(worker, command, seconds)
            case "drain":
                self._restraint.is_draining = True
                return f"takes no more tasks; {len(worker.tasks)} in hand", ()
            case _:
                self._restraint.is_draining = False
                return "takes tasks", ()

    @staticmethod
    def _load(worker: DeviceWorker, command: WorkerCommand, seconds: float) -> tuple[str, ...]:
        keep_alive = None if command.keep_alive is None else keep_alive_seconds(command.keep_alive)
        is_pinned = command.action == "pin"
        job = worker.engine.load(str(command.model), command.task, seconds, keep_alive, pinned=is_pinned)
        try:
            job.future.result(seconds)
        except TimeoutError:
            job.cancel()
            if not job.has_succeeded:
                raise
        return (str(job.key),)

    @staticmethod
    def _hold(worker: DeviceWorker, command: WorkerCommand, seconds: float) -> tuple[str, ...]:
        held = worker.engine.hold(command.action, str(command.model))
        try:
            return held.result(seconds)
        except TimeoutError:
            if held.cancel():
                raise
            return held.result()  # the device thread has just begun it


def _used(memory: DeviceMemory) -> int | None:
    """What this process's tensors take, or what it holds; where nobody can tell, what everything takes."""
    if not memory.allocated and memory.used_by_process is not None:
        return memory.used_by_process  # torch-directml may say that nothing is taken whatever is
    return memory.used if memory.allocated is None else memory.allocated
