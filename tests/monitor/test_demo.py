import time

import pytest

from monitor.core.demo.cluster import DemoSource
from monitor.core.demo.incidents import CYCLE_SECONDS
from monitor.core.trouble import find_troubles
from tests.monitor.fakes import FakeClock

TASK_SECONDS = 300.0


@pytest.fixture(scope="module")
def kinds_by_second() -> dict[int, set[str]]:
    """The kinds of trouble while a cycle passes, by its second."""
    clock, told = FakeClock(), dict[int, set[str]]()
    source = DemoSource(clock, head_start_seconds=0.0)
    begin = clock.now
    for second in range(0, int(CYCLE_SECONDS), 5):
        clock.now = begin + second
        told[second] = {trouble.kind for trouble in find_troubles(source.read(), TASK_SECONDS)}
    return told


def test_there_are_40_workers_with_tasks_and_models() -> None:
    snapshot = DemoSource(FakeClock()).read()

    assert len(snapshot.workers) == 40
    assert len({worker.worker_id for worker in snapshot.workers}) == 40
    assert any(worker.record and worker.record.running for worker in snapshot.workers)
    assert snapshot.trends.done_per_minute
    assert snapshot.trends.done_per_minute > 100


def test_the_same_clock_and_seed_give_the_same_readings() -> None:
    assert DemoSource(FakeClock(), seed=3).read() == DemoSource(FakeClock(), seed=3).read()
    assert DemoSource(FakeClock(), seed=3).read() != DemoSource(FakeClock(), seed=4).read()


@pytest.mark.parametrize("kind", ["late", "lost", "dead", "growing", "thrash", "memory", "clock", "quarantine"])
def test_every_incident_comes_and_passes(kinds_by_second: dict[int, set[str]], kind: str) -> None:
    seconds = [second for second, kinds in kinds_by_second.items() if kind in kinds]

    assert seconds
    assert kind not in kinds_by_second[0]
    assert max(seconds) < max(kinds_by_second) or kind == "thrash"


def test_something_is_wrong_at_once_and_nothing_after_a_while(kinds_by_second: dict[int, set[str]]) -> None:
    assert kinds_by_second[120] >= {"late", "growing"}
    assert not kinds_by_second[700] - {"thrash"}


def test_a_dead_letter_that_is_sent_again_waits_and_is_gone() -> None:
    source = DemoSource(FakeClock(), head_start_seconds=200.0)
    letters, lanes = source.letters(), [lane.name for lane in source.read().lanes if lane.dead]
    first, second, *_ = letters.read(lanes)

    assert letters.requeue(first) == "done"
    assert letters.requeue(first) == "gone"
    assert letters.delete(second) == "done"
    assert letters.delete(second) == "gone"
    assert not {first, second} & {*letters.read(lanes)}


def test_a_long_sleep_of_the_host_takes_no_longer_than_ten_minutes_of_the_demo() -> None:
    clock = FakeClock()
    source = DemoSource(clock)
    source.read()

    clock.now += 30 * 86_400
    begin = time.perf_counter()
    snapshot = source.read()

    assert snapshot.at == clock.now
    assert snapshot.count_workers("live") > 30
    assert time.perf_counter() - begin < 20
