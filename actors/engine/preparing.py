"""Tokenises requests, on the device thread or before they come to it."""

import logging
from collections.abc import Sequence

from actors.engine.loader import ModelInput
from actors.engine.raised import described
from actors.engine.task import Task
from actors.engine.work import Job, Row
from actors.errors import ClusterError, InferenceFailed

logger = logging.getLogger(__name__)


def prepare(task: Task, model: ModelInput, jobs: Sequence[Job]) -> None:
    """Gives rows to jobs that have none yet; when that fails for several together, each is tried for itself."""
    jobs = [job for job in jobs if not job.rows and not job.has_ended]
    if not jobs:
        return  # the lock may be held by a thread that tokenises what comes next
    try:
        with model.lock:
            prepared = task.prepare(model, [job.request for job in jobs])
    except Exception as error:  # noqa: BLE001  # tokenizers raise whatever; the future of each job is completed
        if len(jobs) > 1:
            for job in jobs:
                prepare(task, model, [job])
        else:
            _fail(jobs[0], error)
        return
    for job, items in zip(jobs, prepared, strict=True):
        job.rows = [Row(job, item) for item in items]


def _fail(job: Job, error: Exception) -> None:
    if isinstance(error, ClusterError):
        job.fail(error)
        return
    logger.warning("Task %s cannot tokenise its input.", job.task, exc_info=error)
    job.fail(InferenceFailed(f"{job.task} cannot read its input: {described(error)}"))
