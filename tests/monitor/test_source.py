import socket
import time
from dataclasses import replace

import dramatiq
import pytest
import redis
import redis.client
from dramatiq.brokers.redis import RedisBroker

from monitor.core.known_workers import LOST_FOR_SECONDS, read_beats
from monitor.core.snapshot import Snapshot
from monitor.core.source import RedisSource
from settings import keys
from settings.config import Settings
from settings.records import LATE_AFTER_SECONDS, QueueCounts
from tests.monitor.cluster import Cluster, record
from tests.monitor.hostile import HOSTILE_STRINGS
from tests.monitor.round_trips import count_round_trips
from tests.waiting import wait_until


def liveness(snapshot: Snapshot) -> dict[str, str]:
    return {worker.worker_id: worker.liveness for worker in snapshot.workers}


def message(queue: str) -> dramatiq.Message[None]:
    return dramatiq.Message(queue_name=queue, actor_name="embed", args=(), kwargs={}, options={})


def test_a_queues_messages_are_counted_by_what_has_become_of_them(
    source: RedisSource, queue_redis: redis.Redis, redis_url: str
) -> None:
    broker = RedisBroker(url=redis_url)
    broker.declare_queue("low")
    queue_redis.sadd(keys.QUEUES, "low")
    for _ in range(5):
        broker.enqueue(message("low"))
    broker.enqueue(message("low"), delay=60_000)

    consumer = broker.consume("low", prefetch=2, timeout=1000)
    dying = next(consumer)
    assert dying is not None
    consumer.nack(dying)

    (low,) = [queue for queue in source.read().queues if queue.queue == "low"]
    assert low == QueueCounts(queue="low", ready=3, running=1, delayed=1, dead=1)
    consumer.close()
    broker.close()


def test_the_own_queues_are_shown_before_any_worker_has_told_of_them(source: RedisSource) -> None:
    snapshot = source.read()

    assert [queue.queue for queue in snapshot.queues] == ["control", "inference"]
    assert snapshot.workers == ()


def test_a_worker_is_live_late_or_lost_by_its_last_beat_and_its_record(source: RedisSource, cluster: Cluster) -> None:
    cluster.beat("live")
    cluster.beat("late", age_seconds=LATE_AFTER_SECONDS + 1)
    cluster.vanish("lost", age_seconds=60)
    cluster.vanish("history", age_seconds=LOST_FOR_SECONDS + 1)

    snapshot = source.read()

    assert liveness(snapshot) == {"live": "live", "late": "late", "lost": "lost"}


@pytest.mark.parametrize("answer", [[b"a", b"1.5", b"b", b"2"], [[b"a", 1.5], [b"b", 2.0]]], ids=["RESP2", "RESP3"])
def test_beats_are_read_by_either_protocol_of_redis(answer: list[object]) -> None:
    assert list(read_beats(answer).items()) == [(b"a", 1.5), (b"b", 2.0)]
    assert read_beats([]) == {}


def test_a_worker_is_the_same_object_until_it_beats_again_or_goes_quiet(source: RedisSource, cluster: Cluster) -> None:
    cluster.beat("does nothing")
    cluster.beat("beats")
    cluster.beat("goes quiet", age_seconds=LATE_AFTER_SECONDS - 0.5)
    first = {worker.worker_id: worker for worker in source.read().workers}

    cluster.beat("beats", done=1)
    wait_until(lambda: liveness(source.read())["goes quiet"] == "late", "it is late")
    second = {worker.worker_id: worker for worker in source.read().workers}

    assert second["does nothing"] is first["does nothing"]
    assert second["goes quiet"].record is first["goes quiet"].record
    assert second["beats"].record != first["beats"].record


def test_a_beat_from_the_future_is_no_age_at_all(source: RedisSource, cluster: Cluster) -> None:
    cluster.beat("early", age_seconds=-60)

    snapshot = source.read()

    assert snapshot.workers[0].age_seconds(snapshot.at) == 0


def test_ages_are_by_the_clock_of_redis(source: RedisSource, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.beat("worker", age_seconds=2)
    monkeypatch.setattr(time, "time", lambda: 0.0)

    snapshot = source.read()

    assert 2 <= snapshot.workers[0].age_seconds(snapshot.at) < 30


@pytest.mark.parametrize("workers", [0, 1, 50, 1000])
def test_a_reading_takes_two_round_trips_whatever_the_number_of_workers(
    source: RedisSource, cluster: Cluster, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = record("worker").to_json()
    seconds = cluster.redis.time()[0]
    for index in range(workers):
        cluster.redis.set(keys.worker(f"worker-{index}"), text)
        cluster.redis.zadd(keys.WORKERS, {f"worker-{index}": seconds})
    cluster.redis.sadd(keys.QUEUES, *(f"queue-{index}" for index in range(20)))
    source.read()
    sent = count_round_trips(monkeypatch)
    snapshot = source.read()

    assert len(sent) == 2
    assert len(snapshot.workers) == workers
    assert len(snapshot.queues) == 22


def test_reading_leaves_nothing_in_redis(source: RedisSource, queue_redis: redis.Redis) -> None:
    source.read()

    assert queue_redis.dbsize() == 0


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"nonsense",
        b"[]",
        b"{}",
        record("w").model_copy(update={"version": 2}).to_json(),
        record("w").to_json().replace('"idle"', '"dancing"'),
        record("w").to_json().replace('"pid":42', '"pid":"many"'),
    ],
)
def test_a_record_that_cannot_be_read_is_a_worker_without_one(
    source: RedisSource, cluster: Cluster, text: str | bytes
) -> None:
    cluster.beat_raw("odd", text)

    (worker,) = source.read().workers

    assert (worker.liveness, worker.record) == ("live", None)


def test_a_record_of_a_newer_writer_is_read_without_what_is_new(source: RedisSource, cluster: Cluster) -> None:
    cluster.beat_raw("newer", record("newer").to_json().replace("{", '{"fans":3,', 1))

    assert source.read().workers[0].record is not None


def test_keys_of_a_wrong_type_do_not_end_the_monitor(source: RedisSource, cluster: Cluster) -> None:
    cluster.redis.hset(keys.worker("hash"), "a", "b")
    cluster.vanish("hash", age_seconds=0)
    assert liveness(source.read()) == {"hash": "lost"}

    cluster.redis.set(keys.QUEUES, "not a set")
    error = source.read().error
    assert error is not None
    assert error.startswith("Redis at 127.0.0.1:")
    assert "WRONGTYPE" in error


def test_hostile_names_are_read_as_they_are(source: RedisSource, cluster: Cluster) -> None:
    for text in HOSTILE_STRINGS:
        cluster.beat(text, loading=text)
        cluster.redis.sadd(keys.QUEUES, text)

    snapshot = source.read()

    assert {worker.worker_id for worker in snapshot.workers} == set(HOSTILE_STRINGS)
    assert set(HOSTILE_STRINGS) < {queue.queue for queue in snapshot.queues}


def test_without_an_answer_the_last_data_are_kept_beside_the_error(source: RedisSource, cluster: Cluster) -> None:
    cluster.beat("worker")
    known = source.read()
    cluster.redis.config_set("requirepass", "secret")
    try:
        cluster.redis.client_kill_filter(_type="normal", skipme=True)
        source.read()  # notices that its connection is gone
        failed = source.read()
    finally:
        cluster.redis.config_set("requirepass", "")

    assert failed.error is not None
    assert "refuses" in failed.error
    assert failed == replace(known, error=failed.error)
    assert source.read().error is None


def test_a_refused_connection_is_told_with_its_address(settings: Settings) -> None:
    source = RedisSource(settings.model_copy(update={"redis_url": "redis://:secret@127.0.0.1:1/0"}))

    assert source.read() == Snapshot(error="Redis does not answer at 127.0.0.1:1")


def test_a_redis_that_accepts_but_never_answers_is_given_up_within_three_seconds(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        source = RedisSource(settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}/0"}))

        begin = time.monotonic()
        snapshot = source.read()

        assert snapshot.error == f"Redis does not answer at 127.0.0.1:{port}"
        assert time.monotonic() - begin < 3
        source.close()


def test_an_address_that_cannot_be_parsed_is_an_error_that_keeps_the_password(settings: Settings) -> None:
    source = RedisSource(settings.model_copy(update={"redis_url": "redis://:se/cret@host:6379/0"}))

    assert source.read().error == "Redis does not answer at an address that cannot be read"


def test_only_workers_that_beat_since_are_fetched_again(
    source: RedisSource, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(5):
        cluster.beat(f"worker-{index}", done=1)
    first = source.read()
    fetched: list[int] = []
    mget = redis.client.Pipeline.mget

    def spy(pipeline: redis.client.Pipeline, names: list[str], *more: str) -> object:
        fetched.append(len(names) - 1)
        return mget(pipeline, names, *more)

    monkeypatch.setattr(redis.client.Pipeline, "mget", spy)
    cluster.beat("worker-3", done=2)
    second = source.read()

    assert fetched == [1]
    done = {worker.worker_id: worker.record.done for worker in second.workers if worker.record}
    assert done == {**dict.fromkeys(done, 1), "worker-3": 2}
    assert first.workers[0].record is second.workers[0].record


def test_a_worker_that_says_goodbye_is_gone_and_one_that_falls_silent_is_lost(
    source: RedisSource, cluster: Cluster
) -> None:
    cluster.beat("leaves")
    cluster.beat("falls-silent")
    source.read()

    cluster.redis.zrem(keys.WORKERS, "leaves")
    cluster.redis.delete(keys.worker("leaves"), keys.worker("falls-silent"))
    cluster.vanish("falls-silent", age_seconds=40)

    assert liveness(source.read()) == {"falls-silent": "lost"}


def test_a_record_that_expires_without_a_beat_is_noticed(source: RedisSource, cluster: Cluster) -> None:
    cluster.beat("worker", age_seconds=31)
    assert liveness(source.read()) == {"worker": "late"}

    cluster.redis.delete(keys.worker("worker"))

    assert liveness(source.read()) == {"worker": "lost"}


def test_lanes_tell_what_waits_for_each_model_and_for_how_long(source: RedisSource, settings: Settings) -> None:
    from actors.broker import create_broker
    from actors.client import Client

    client = Client(settings, create_broker(settings))
    client.send("embed", model="org/a", texts=["a"])
    client.send("embed", model="org/a", texts=["a"], priority=1)
    client.send("embed", model="org/b", texts=["a"])

    lanes = [lane for lane in source.read().lanes if lane.model]

    assert [(lane.model, lane.priority, lane.ready) for lane in lanes] == [
        ("org/a", "high", 1),
        ("org/a", "normal", 1),
        ("org/b", "normal", 1),
    ]
    assert all(lane.oldest_seconds is not None and 0 <= lane.oldest_seconds < 30 for lane in lanes)


def test_the_clock_of_a_worker_is_compared_with_that_of_redis(source: RedisSource, cluster: Cluster) -> None:
    seconds = cluster.redis.time()[0]
    cluster.beat("off", sent_at=seconds + 3600.0)

    (worker,) = source.read().workers

    assert worker.clock_offset_seconds is not None
    assert 3590 < worker.clock_offset_seconds < 3610


def test_redis_tells_of_its_memory(source: RedisSource) -> None:
    server = source.read().redis

    assert server is not None
    assert server.memory_used > 0
    assert (server.memory_max, server.eviction_policy) == (0, "noeviction")
