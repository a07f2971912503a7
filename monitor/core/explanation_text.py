"""A task's explanation as text on one screen, and as JSON."""

import json
from collections.abc import Iterator

from monitor.core.formatting import ABSENT, fit, printable
from settings.explanation import Estimate, Explanation

#: The widest that the column of workers' names gets.
MOST_NAME = 40

#: The most workers on the screen; those that hold the model first.
MOST_WORKERS = 20


def explanation_text(explanation: Explanation) -> str:
    """Where the task is, the estimate when it waits, and what each worker says."""
    task = printable(" ".join([explanation.actor or "task", explanation.message_id]))
    lines = [f"{task} {printable(explanation.text)}"]
    if explanation.model:
        lines.append(f"model     {printable(explanation.model)}")
    if explanation.place.state == "waiting":
        lines.append(f"estimate  {_estimate(explanation.estimate)}")
    return "\n".join([*lines, *_workers(explanation)])


def explanation_json(explanation: Explanation) -> str:
    """All of it, as a JSON object in plain ASCII."""
    return json.dumps(explanation.model_dump(mode="json"), indent=2)


def _estimate(estimate: Estimate) -> str:
    known = ABSENT if estimate.seconds is None else f"about {estimate.seconds:.1f} s"
    return printable(f"{known} ({estimate.basis})")


def _workers(explanation: Explanation) -> Iterator[str]:
    workers = sorted(explanation.workers, key=lambda worker: (not worker.holds_model, worker.worker_id))
    if not workers:
        return
    yield ""
    names = [printable(worker.worker_id) for worker in workers[:MOST_WORKERS]]
    width = min(MOST_NAME, max(map(len, names)))
    for name, worker in zip(names, workers, strict=False):
        yield f"{fit(name, width)}  {printable(worker.text)}"
    if len(workers) > MOST_WORKERS:
        yield f"and {len(workers) - MOST_WORKERS} more workers"
