"""What counts against a task's time, and what does not."""

import math
import time

import pytest

from actors.engine.work import Job
from actors.engine.work_clock import WorkClock
from actors.errors import DeadlineExceeded, LoadTimedOut, TaskTimedOut
from actors.model_store.arrival import Arrival
from actors.model_store.progress import Progress
from tests.engine.jobs import job

TASK_SECONDS = 300.0
LOAD_SECONDS = 600.0


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def task(clock: Clock) -> Job:
    made = job()
    made.clock = WorkClock(clock)
    made.deadline, made.due = made.clock.now() + TASK_SECONDS, math.inf
    return made


def progress(clock: Clock) -> Progress:
    return Progress("org/name", lambda size: LOAD_SECONDS, clock)


def test_a_task_that_works_for_too_long_is_late(task: Job, clock: Clock) -> None:
    clock.seconds += TASK_SECONDS
    assert not task.end_if_late()
    clock.seconds += 1

    assert task.end_if_late()
    assert isinstance(task.future.exception(), TaskTimedOut)


def test_loading_does_not_count(task: Job, clock: Clock) -> None:
    for _ in range(2):
        with task.clock.stopped(progress(clock)):
            clock.seconds += TASK_SECONDS + 1
            assert not task.end_if_late()
    clock.seconds += TASK_SECONDS
    assert not task.end_if_late()
    clock.seconds += 1
    assert task.end_if_late()


def test_a_load_that_takes_too_long_ends_the_tasks_that_wait_for_the_device(task: Job, clock: Clock) -> None:
    with task.clock.stopped(progress(clock)):
        clock.seconds += LOAD_SECONDS + 1
        assert task.end_if_late()

    assert isinstance(task.future.exception(), LoadTimedOut)


def test_bringing_its_model_does_not_count_and_has_its_own_limit(task: Job, clock: Clock) -> None:
    task.coming_model = Arrival(progress(clock))
    clock.seconds += TASK_SECONDS + 1
    assert not task.end_if_late()
    clock.seconds += LOAD_SECONDS

    assert task.end_if_late()
    assert isinstance(task.future.exception(), LoadTimedOut)


def test_the_callers_deadline_waits_for_nothing(task: Job, clock: Clock) -> None:
    task.due, task.coming_model = time.monotonic() - 1, Arrival(progress(clock))

    with task.clock.stopped(progress(clock)):
        assert task.end_if_late()

    assert isinstance(task.future.exception(), DeadlineExceeded)
