"""What the workers' measurements say about a model, and what nobody knows."""

import pytest
import redis

from settings import capacity, keys
from settings.capacity import LEAST_TASKS, WINDOW_TASKS, Capacity, CapacityReader, note_service


@pytest.fixture
def reader(queue_redis: redis.Redis) -> CapacityReader:
    return CapacityReader(queue_redis)


def _note(client: redis.Redis, seconds: float, tasks: int) -> None:
    with client.pipeline() as pipe:
        note_service(pipe, "org/a", seconds, tasks)
        pipe.execute()


def _beat(client: redis.Redis, worker: str, seconds_ago: float) -> None:
    client.zadd(keys.DEVICES, {worker: int(client.time()[0]) - seconds_ago})


def test_an_empty_cluster_tells_nothing(reader: CapacityReader) -> None:
    assert reader.read("org/a", ["inference.high.org/a"]) == Capacity(workers=0, seconds_per_task=None, depths=(0,))


def test_seconds_per_task_are_the_quotient_of_all_that_was_noted(
    reader: CapacityReader, queue_redis: redis.Redis
) -> None:
    _note(queue_redis, 2.0, 10)
    _note(queue_redis, 1.0, 10)

    assert reader.read("org/a").seconds_per_task == pytest.approx(0.15)
    assert reader.read("org/b").seconds_per_task is None


def test_fewer_tasks_than_the_least_are_no_basis(reader: CapacityReader, queue_redis: redis.Redis) -> None:
    _note(queue_redis, 1.0, LEAST_TASKS - 1)
    assert reader.read("org/a").seconds_per_task is None

    _note(queue_redis, 0.0, 1)
    assert reader.read("org/a").seconds_per_task == pytest.approx(1.0 / LEAST_TASKS)


def test_the_figure_follows_the_latest_tasks(reader: CapacityReader, queue_redis: redis.Redis) -> None:
    _note(queue_redis, 1.0 * WINDOW_TASKS, WINDOW_TASKS)
    for _ in range(4):
        _note(queue_redis, 3.0 * WINDOW_TASKS / 4, WINDOW_TASKS // 4)

    after_a_window = reader.read("org/a").seconds_per_task
    _note(queue_redis, 5.0 * WINDOW_TASKS, WINDOW_TASKS)

    assert after_a_window is not None
    assert 2.2 < after_a_window < 3.0
    assert reader.read("org/a").seconds_per_task == pytest.approx(5.0)


def test_work_of_a_task_that_has_not_ended_yet_is_counted_when_it_ends(
    reader: CapacityReader, queue_redis: redis.Redis
) -> None:
    _note(queue_redis, 4.0, 0)
    _note(queue_redis, 1.0, LEAST_TASKS)

    assert reader.read("org/a").seconds_per_task == pytest.approx(1.0)


def test_a_fast_and_a_slow_worker_have_the_mean_that_drains_their_queue(
    reader: CapacityReader, queue_redis: redis.Redis
) -> None:
    for _ in range(10):  # in the same time, at 0.1 s and at 0.4 s a task
        _note(queue_redis, 2.0, 20)
        _note(queue_redis, 2.0, 5)

    seconds = reader.read("org/a").seconds_per_task

    # 12.5 tasks a second together, so a thousand take 80 s.
    assert Capacity(2, seconds).wait_seconds(1_000) == pytest.approx(80.0, rel=0.05)


def test_a_figure_expires(queue_redis: redis.Redis) -> None:
    _note(queue_redis, 1.0, 10)

    assert 0 < queue_redis.ttl(keys.service("org/a")) <= capacity.SERVICE_TTL_SECONDS


def test_workers_count_while_they_beat(reader: CapacityReader, queue_redis: redis.Redis) -> None:
    _beat(queue_redis, "alive", seconds_ago=1)
    _beat(queue_redis, "silent for a while", seconds_ago=20)
    _beat(queue_redis, "gone", seconds_ago=40)

    assert reader.read("org/a").workers == 2


def test_the_depth_of_each_list_is_read(reader: CapacityReader, queue_redis: redis.Redis) -> None:
    queue_redis.rpush(keys.ready("inference.low.org/a"), "1", "2")

    assert reader.read("org/a", ["inference.high.org/a", "inference.low.org/a"]).depths == (0, 2)


def test_reading_writes_nothing(reader: CapacityReader, queue_redis: redis.Redis) -> None:
    reader.read("org/a", ["inference.high.org/a"])

    assert queue_redis.keys() == []


@pytest.mark.parametrize(
    ("known", "seconds"),
    [(Capacity(2, 0.5), 25.0), (Capacity(0, 0.5), None), (Capacity(2, None), None), (Capacity(0, None), None)],
)
def test_a_wait_needs_a_figure_and_a_worker(known: Capacity, seconds: float | None) -> None:
    assert known.wait_seconds(100) == seconds
