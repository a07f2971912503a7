"""The checks of the workers: each is given a real task through the queue, and has to answer."""

import time
from collections.abc import Mapping, Sequence

from dramatiq import Message

from actors.client import Client
from actors.errors import ClusterError, ResultTimeout
from actors.payloads import Metadata
from monitor.core.formatting import format_calls, printable
from monitor.core.snapshot import Snapshot, WorkerView
from scripts.cluster_checks.check import Check
from scripts.cluster_checks.trial import Trial
from settings import keys
from settings.config import Settings

#: Seconds that the first round of tasks is waited for before more are sent: who takes a task is not ours to say. Each
#: round waits twice as long as the one before, so that a worker that loads a model for a minute finds few tasks.
FIRST_ROUND_SECONDS = 1.0

NOBODY = Check(
    "workers", "failed", "there is none", "start one on each GPU host: start_worker.sh, on Windows start_worker.bat"
)


class RollCall:
    """Sends a task for each worker that has not answered, until all have or the time is over."""

    def __init__(self, client: Client, trial: Trial, worker_ids: Sequence[str]) -> None:
        self._client, self.trial, self._worker_ids = client, trial, worker_ids
        self._sent: list[Message[object]] = []
        self.answers: dict[str, Metadata] = {}
        self.error: ClusterError | None = None

    def run(self, timeout_seconds: float) -> None:
        """Stops at the first task that fails: the next ones would fail likewise."""
        deadline, round_seconds = time.monotonic() + timeout_seconds, FIRST_ROUND_SECONDS
        try:
            while (left := deadline - time.monotonic()) > 0 and self._missing():
                self._sent += [self._client.send(self.trial.actor, **self.trial.fields) for _ in self._missing()]
                self._collect(time.monotonic() + min(left, round_seconds))
                round_seconds *= 2
        except ClusterError as error:
            self.error = error

    def _missing(self) -> list[str]:
        return [worker_id for worker_id in self._worker_ids if worker_id not in self.answers]

    def _collect(self, deadline: float) -> None:
        """Waits for what was sent in this round and before."""
        waiting, self._sent = self._sent, []
        for message in waiting:
            try:
                result = self._client.result(message, timeout=max(0.0, deadline - time.monotonic()))
                self.answers.setdefault(result.metadata.worker_id, result.metadata)
            except ResultTimeout:
                self._sent.append(message)


def check_workers(settings: Settings, snapshot: Snapshot, trial: Trial | None, timeout: float) -> list[Check]:
    """Every worker beats, and every one with a device does a task."""
    views = snapshot.workers
    roll_call = None
    if trial and (asked := [view.worker_id for view in views if _takes_tasks(view)]):
        roll_call = RollCall(Client(settings), trial, asked)
        roll_call.run(timeout)
    checks = [_check_worker(view, snapshot.at, roll_call, timeout) for view in views]
    checks += [_check_kernels(view.worker_id, calls) for view in views if (calls := _cpu_fallbacks(view))]
    return checks if any(view.liveness != "lost" for view in views) else [*checks, NOBODY]


def _takes_tasks(view: WorkerView) -> bool:
    return view.liveness == "live" and view.record is not None and view.record.state in ("idle", "busy", "loading")


def _check_worker(view: WorkerView, now: float | None, roll_call: RollCall | None, timeout: float) -> Check:
    name = f"worker {view.worker_id}"
    silence = f"{view.liveness}: its last beat was {view.age_seconds(now):.0f} s ago"
    if view.liveness == "lost":
        return Check(name, "warning", silence, "look at why its process ended; it is forgotten after an hour")
    if view.liveness == "late":
        return Check(name, "failed", silence, "look at its log, and whether its process still runs")
    if view.record is None:
        return Check(name, "skipped", "its record is of another version", "install the same version everywhere")
    if view.record.state == "quarantined" and view.record.device:
        key = keys.quarantine(f"{view.record.host}/{view.record.device.name}")
        mend = f"look at its log; it ends by itself, or now with `redis-cli DEL {key}` once the device is in order"
        return Check(name, "warning", "its device is in quarantine: different tasks failed on it", mend)
    if not _takes_tasks(view):
        return Check(name, "skipped", f"takes no inference tasks while it is {view.record.state}")
    if roll_call is None:
        mend = "set MODEL_MANAGER_PATH to a folder with a model that embed, classify or generate can use"
        return Check(name, "skipped", "beats, and there is no model to try it with", mend)
    return _check_answer(name, roll_call, roll_call.answers.get(view.worker_id), timeout)


def _cpu_fallbacks(view: WorkerView) -> Mapping[str, int]:
    return view.record.device.cpu_fallbacks if view.record and view.record.device else {}


def _check_kernels(worker_id: str, calls: Mapping[str, int]) -> Check:
    mend = "it works and takes longer; send the models that need them to workers with another kind of device"
    detail = f"the CPU computes what its device has no kernel for: {printable(format_calls(calls))}"
    return Check(f"kernels {worker_id}", "warning", detail, mend)


def _check_answer(name: str, roll_call: RollCall, answer: Metadata | None, timeout: float) -> Check:
    trial = roll_call.trial
    if answer:
        milliseconds = answer.timings.load_ms + answer.timings.batch_wait_ms + answer.timings.compute_ms
        return Check(name, "ok", f"did {trial} on {answer.device} in {milliseconds:,.0f} ms")
    if roll_call.error:
        mend = "share the same model folder with every worker, or name another model with --model"
        return Check(name, "failed", f"has not answered, as {trial} failed: {roll_call.error}", mend)
    mend = "look at its log, or wait longer with --timeout: it may be loading the model or busy with other tasks"
    return Check(name, "failed", f"has not answered {trial} within {timeout:g} s", mend)
