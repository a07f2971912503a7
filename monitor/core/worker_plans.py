"""The changes that an operator can make to workers."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal, Protocol

from monitor.core.formatting import printable
from monitor.core.plan import Plan
from monitor.core.snapshot import Snapshot, WorkerView
from monitor.core.told import Told
from settings.worker_commands import Action

#: What is asked for: `halt` drains a worker that takes tasks and resumes one that does not.
Wish = Literal["halt", "load", "unload", "pin", "unpin", "recycle"]

#: The workers that are told at the same time.
MOST_AT_ONCE = 8

#: The workers that a question names.
MOST_NAMED = 5

_QUESTIONS: dict[Action, tuple[str, str]] = {
    "drain": ("Drain", "No more tasks are taken until someone resumes; those in hand are finished."),
    "resume": ("Resume", "Tasks are taken again."),
    "recycle": ("Recycle", "The process ends after its tasks in hand, and its launcher starts it again."),
    "load": ("Load a model on", "It is read, computed with once, and stays as KEEP_ALIVE says."),
    "unload": ("Unload a model on", "It is freed, pinned or not; the next task that needs it loads it again."),
    "pin": ("Pin a model on", "It is loaded where needed, and stays until it is unpinned or unloaded."),
    "unpin": ("Unpin a model on", "It goes again when its room is needed or its keep_alive is over."),
}


class Workers(Protocol):
    """Tells workers what to do."""

    def command(self, worker_id: str, action: Action, model: str | None = None, *, is_over: Callable[[], bool]) -> Told:
        """Sends a command, and waits for the answer or until `is_over`."""


def plan_command(
    wish: Wish,
    worker_ids: Sequence[str],
    snapshot: Snapshot,
    workers: Workers,
    address: str,
    is_over: Callable[[], bool] = lambda: False,
) -> Plan:
    """Asks for one action on these workers; there is at least one."""
    chosen = [worker for worker in snapshot.workers if worker.worker_id in worker_ids]
    action = _action(wish, chosen)
    verb, result = _QUESTIONS[action]
    names = [f"  {printable(name)}"[:70] for name in worker_ids[:MOST_NAMED]]
    more = [f"  and {len(worker_ids) - MOST_NAMED} more"] if len(worker_ids) > MOST_NAMED else []
    count = "1 worker" if len(worker_ids) == 1 else f"{len(worker_ids)} workers"

    def carry_out(model: str) -> Told:
        with ThreadPoolExecutor(min(MOST_AT_ONCE, len(worker_ids))) as threads:
            tell = partial(workers.command, action=action, model=model or None, is_over=is_over)
            told = list(threads.map(tell, worker_ids))
        return Told("\n".join(each.text for each in told), all(each.went_well for each in told))

    return Plan(
        question="\n".join([f"{verb} {count}?", *names, *more, result, f"Redis: {address}"]),
        verb=verb.partition(" ")[0],
        carry_out=carry_out,
        asks_for=_models(action, chosen, snapshot) if action in ("load", "unload", "pin", "unpin") else None,
    )


def _action(wish: Wish, workers: Sequence[WorkerView]) -> Action:
    if wish != "halt":
        return wish
    return "resume" if all(_is_draining(worker) for worker in workers) else "drain"


def _is_draining(worker: WorkerView) -> bool:
    return worker.record is not None and worker.record.state == "draining"


def _models(action: Action, workers: Sequence[WorkerView], snapshot: Snapshot) -> tuple[str, ...]:
    """Those that the action may be about: what is there, or what others have or wait for."""
    held = {model.model: model.is_pinned for each in workers if each.record for model in each.record.models}
    if action == "unload":
        return tuple(sorted(held))
    if action == "unpin":
        return tuple(sorted(model for model, is_pinned in held.items() if is_pinned))
    elsewhere = {model.model for each in snapshot.workers if each.record for model in each.record.models}
    wanted = {lane.model for lane in snapshot.lanes if lane.model}
    return tuple(sorted(elsewhere | wanted))
