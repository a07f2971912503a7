"""What a device's batches say about its models' tasks."""

import pytest

from actors.engine.service_times import Served, ServiceTimes
from actors.engine.work import Item, Job
from actors.payloads import ClassifyRequest
from tests.engine.jobs import job


def _job(model: str, rows: int = 1) -> Job:
    made = job(model, *[Item("text", 1)] * rows)
    made.request = ClassifyRequest(model=model, texts=("text",) * rows)
    return made


def _end(*jobs: Job) -> None:
    for ended in jobs:
        ended.fail(RuntimeError("any end counts"))


def test_a_batch_is_shared_among_its_tasks() -> None:
    times, jobs = ServiceTimes(), [_job("org/a"), _job("org/a")]
    _end(*jobs)

    times.note([row for each in jobs for row in each.rows], 3.0)

    assert times.take() == {"org/a": Served(3.0, 2)}


def test_a_task_of_several_batches_counts_with_the_last() -> None:
    times, long = ServiceTimes(), _job("org/a", rows=4)

    times.note(long.rows[:2], 1.0)
    assert times.take() == {"org/a": Served(1.0, 0)}

    _end(long)
    times.note(long.rows[2:], 1.5)
    assert times.take() == {"org/a": Served(1.5, 1)}


def test_a_model_is_known_by_the_name_that_its_tasks_use() -> None:
    times, jobs = ServiceTimes(), [_job("org/a", rows=3), _job("org/a@main")]
    _end(*jobs)

    times.note([row for each in jobs for row in each.rows], 4.0)

    served = times.take()
    assert served == {"org/a": Served(pytest.approx(3.0), 1), "org/a@main": Served(pytest.approx(1.0), 1)}


def test_what_was_taken_is_not_told_again() -> None:
    times, each = ServiceTimes(), _job("org/a")
    times.note(each.rows, 1.0)

    times.take()

    assert times.take() == {}
