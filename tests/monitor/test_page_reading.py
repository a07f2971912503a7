"""What the pages Tasks and Redis read, from a real Redis."""

import json
import time
from dataclasses import replace

import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from monitor.core.key_census import kind_of
from monitor.core.lane_text import lane_text
from monitor.core.listed_tasks import HEADS, MOST_BYTES, NEW_LOOKS, NEWEST_DEAD, ListedTask
from monitor.core.server_table import key_table, server_table
from monitor.core.server_view import ServerView, parse_server
from monitor.core.snapshot import Snapshot
from monitor.core.source import RedisSource
from monitor.core.task_table import find_row, task_table
from settings import keys
from settings.capacity import Capacity, note_service
from settings.config import Settings
from settings.records import TaskRecord
from tests.monitor.cluster import Cluster
from tests.monitor.hostile import HOSTILE_STRINGS
from tests.monitor.round_trips import count_round_trips

LANE = "inference.normal.org/a"


@pytest.fixture
def client(settings: Settings) -> Client:
    return Client(settings, create_broker(settings))


@pytest.fixture
def tasks_page(source: RedisSource) -> RedisSource:
    source.watch("tasks")
    return source


def read_twice(source: RedisSource) -> tuple[ListedTask, ...]:
    """The second reading tells what the tasks are that the first has found."""
    source.read()
    return source.read().tasks


def bury(client: redis.Redis, lane: str, redis_id: str, body: bytes | str, died_at: float = 1000.0) -> None:
    client.sadd(keys.LANES, lane)
    client.hset(keys.dead_bodies(lane), redis_id, body)
    client.zadd(keys.dead(lane), {redis_id: died_at * 1000})


def test_the_first_of_each_lane_are_listed_with_what_they_are(tasks_page: RedisSource, client: Client) -> None:
    sent = [client.send("embed", model="org/a", texts=["a"]) for _ in range(HEADS + 5)]

    listed = read_twice(tasks_page)

    assert [task.position for task in listed] == list(range(1, HEADS + 1))
    assert [task.sought.message_id for task in listed if task.sought] == [
        message.message_id for message in sent[:HEADS]
    ]
    first = listed[0]
    assert first.sought is not None
    assert (first.lane, first.sought.actor, first.sought.model) == (LANE, "embed", "org/a")
    assert first.since is not None
    assert abs(first.since - time.time()) < 60


def test_a_body_is_looked_at_once_and_some_at_a_time(
    tasks_page: RedisSource, client: Client, queue_redis: redis.Redis
) -> None:
    for number in range(8):
        for _ in range(HEADS):
            client.send("embed", model=f"org/{number}", texts=["a"])
    tasks_page.read()
    queue_redis.config_resetstat()

    known = [sum(task.sought is not None for task in tasks_page.read().tasks) for _ in range(4)]

    assert known == [NEW_LOOKS, 8 * HEADS, 8 * HEADS, 8 * HEADS]
    assert queue_redis.info("commandstats")["cmdstat_eval"]["calls"] == 8


def test_the_newest_dead_letters_are_listed_with_their_error(
    tasks_page: RedisSource, client: Client, queue_redis: redis.Redis
) -> None:
    client.send("embed", model="org/a", texts=["a"])
    raw = json.loads(queue_redis.hvals(keys.bodies(LANE))[0])
    raw["options"]["traceback"] = "x" * 5000 + "\nRuntimeError: out of memory"
    for number in range(NEWEST_DEAD + 3):
        bury(queue_redis, LANE, f"id-{number}", json.dumps(raw), died_at=1000.0 + number)

    dead = [task for task in read_twice(tasks_page) if task.state == "dead"]

    assert [task.redis_id for task in dead] == [f"id-{number}" for number in range(7, 2, -1)]
    assert {task.failure for task in dead} == {"RuntimeError: out of memory"}


def test_what_cannot_be_read_or_is_large_is_listed_without_a_body(
    tasks_page: RedisSource, queue_redis: redis.Redis
) -> None:
    odd = [b"\xff[/x]", b"[]", b"{}", b"1", b"null", b"[" * 2000, b"x" * (MOST_BYTES + 1), b'{"options": null}']
    for number, body in enumerate(odd):
        bury(queue_redis, f"inference.low.org/{number}", "odd", body)
    bury(queue_redis, LANE, "gone", b"{}")
    queue_redis.hdel(keys.dead_bodies(LANE), "gone")

    listed = read_twice(tasks_page)

    assert len(listed) == len(odd) + 1
    assert all(task.sought is None and task.failure is None for task in listed)


@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
def test_hostile_messages_are_read_as_they_are(tasks_page: RedisSource, queue_redis: redis.Redis, hostile: str) -> None:
    body = {
        "message_id": hostile,
        "queue_name": hostile,
        "actor_name": hostile,
        "message_timestamp": 1,
        "kwargs": {"model": hostile},
        "options": {"lane": 7, "retries": hostile, "retry_reasons": {"a": 1}},
    }
    bury(queue_redis, LANE, "id", json.dumps(body))

    (task,) = read_twice(tasks_page)

    assert task.sought is not None
    assert (task.sought.message_id, task.sought.model) == (hostile, hostile)


def test_tasks_in_hand_and_those_that_have_gone_are_rows_with_where_they_are(
    tasks_page: RedisSource, cluster: Cluster
) -> None:
    tasks = [TaskRecord(message_id=name, actor="embed", model="org/a", started_at=0.0) for name in ("stays", "goes")]
    cluster.beat("worker", state="busy", running=tasks)
    tasks_page.read()
    cluster.beat("worker", state="busy", running=tasks[:1])

    snapshot = tasks_page.read()
    table = task_table(snapshot)

    assert [(row[0].text, row[1].text, row[4].text) for row in table.rows] == [
        ("● running", "stays", "worker"),
        ("· gone", "goes", "worker"),
    ]
    row = find_row(snapshot, table.ids[1])
    assert row is not None
    assert row.sought is not None
    assert row.sought.message_id == "goes"


def test_a_task_whose_model_is_on_its_way_is_loading_and_tells_how_far_it_is(
    tasks_page: RedisSource, cluster: Cluster
) -> None:
    task = TaskRecord(message_id="a", actor="embed", model="org/a", started_at=0.0)
    arriving = {
        "model": "org/a",
        "phase": "downloading",
        "done_bytes": 10**9,
        "total_bytes": 4 * 10**9,
        "started_at": 0.0,
    }
    cluster.beat("worker", state="loading", running=[task], arriving=[arriving])

    ((state, *_, where, _),) = task_table(tasks_page.read()).rows

    assert state.text == "◐ loading"
    assert where.text == "worker, downloading 1.0 of 4.0 GB"


PAGES = [("tasks", ""), ("redis", ""), ("overview", ""), ("lane", LANE), ("lane", "inference"), ("worker", "worker-1")]


@pytest.mark.parametrize(("page", "about"), PAGES)
def test_no_page_takes_more_than_two_round_trips(
    source: RedisSource, client: Client, cluster: Cluster, page: str, about: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        client.send("embed", model=f"org/{number}", texts=["a"])
        cluster.beat(f"worker-{number}")
    source.read()
    sent = count_round_trips(monkeypatch)
    source.watch(page, about)

    for readings in range(1, 4):
        assert source.read().error is None
        assert len(sent) == 2 * readings


def test_what_only_one_page_shows_is_read_while_it_is_open(source: RedisSource, client: Client) -> None:
    client.send("embed", model="org/a", texts=["a"])
    assert (source.read().tasks, source.read().server) == ((), None)

    source.watch("redis")
    assert source.read().server is not None
    source.watch("tasks")
    snapshot = source.read()
    assert len(snapshot.tasks) == 1
    assert snapshot.server is None


def test_an_open_lane_lists_the_tasks_of_its_model_alone_and_how_fast_they_are_worked_off(
    source: RedisSource, client: Client, cluster: Cluster, queue_redis: redis.Redis
) -> None:
    for model, priority in (("org/a", 5), ("org/a", 1), ("org/b", 5)):
        client.send("embed", model=model, texts=["a"], priority=priority)
    note_service(queue_redis, "org/a", seconds=10.0, tasks=20)
    source.watch("lane", LANE)
    listed = read_twice(source)
    snapshot = source.read()

    assert sorted(task.lane for task in listed) == ["inference.high.org/a", LANE]
    assert {task.sought.model for task in listed if task.sought} == {"org/a"}
    assert snapshot.capacities == {"org/a": Capacity(workers=0, seconds_per_task=0.5)}
    assert "Waiting (2)\nplace  task" in lane_text(snapshot, LANE)

    queue_redis.hset(keys.service("org/a"), "seconds", "[/x]")
    assert (source.read().capacities, source.read().error) == ({}, None)

    source.watch("lane", "inference")
    assert len(read_twice(source)) == 3
    source.watch("overview")
    assert (source.read().capacities, source.read().tasks) == ({}, ())


def test_an_open_worker_tells_when_it_asked_for_tasks_and_what_it_did(
    source: RedisSource, cluster: Cluster, queue_redis: redis.Redis
) -> None:
    cluster.beat("worker-1")
    queue_redis.hset(keys.FREE_WORKERS, "worker-1", "1767268800|org/a")
    assert source.read().histories == {}

    source.watch("worker", "worker-1")
    history = source.read().histories["worker-1"]
    assert history.asked_at == 1767268800
    assert [change.state for change in history.changes] == ["serving"]

    queue_redis.hset(keys.FREE_WORKERS, "worker-1", "[/x]")
    assert source.read().histories["worker-1"].asked_at is None
    source.watch("worker", "nobody")
    assert source.read().histories == {}


def test_redis_tells_of_itself_and_its_keys_by_kind(
    source: RedisSource, client: Client, cluster: Cluster, queue_redis: redis.Redis
) -> None:
    for _ in range(3):
        client.send("embed", model="org/a", texts=["a"])
    cluster.beat("worker")
    queue_redis.set("[/x]\x1b", "of somebody else")
    source.watch("redis")

    server = source.read().server

    assert server is not None
    assert server.version
    assert server.memory_used
    assert server.clients
    assert (server.policy, server.memory_max, server.role) == ("noeviction", 0, "master")
    assert server.answer_ms is not None
    assert server.counted_percent == 100
    kinds = {kind.name: kind for kind in server.kinds}
    assert {name: kind.keys for name, kind in kinds.items()} | {"cluster's other keys": 0} == {
        "messages": 1,
        "lists of messages": 1,
        "worker records": 1,
        "others' keys": 1,
        "cluster's other keys": 0,
    }
    assert all(kind.bytes for kind in kinds.values())


def test_many_keys_are_counted_a_part_at_a_time(source: RedisSource, queue_redis: redis.Redis) -> None:
    queue_redis.mset({keys.deliveries(str(number)): "" for number in range(5000)})
    source.watch("redis")
    views = [server for _ in range(8) if (server := source.read().server)]

    counted = [view.counted_percent for view in views]
    assert counted[0] is not None
    assert counted[0] < 50
    assert counted[-1] == 100
    assert [kind.keys for kind in views[-1].kinds] == [5000]


def test_questions_that_redis_refuses_leave_the_rest_of_the_page(
    source: RedisSource, client: Client, queue_redis: redis.Redis
) -> None:
    client.send("embed", model="org/a", texts=["a"])
    source.read()
    refused = ["scan", "memory", "eval", "info"]
    queue_redis.execute_command("ACL", "SETUSER", "default", *(f"-{command}" for command in refused))
    try:
        source.watch("redis")
        snapshot = source.read()
        assert snapshot.error is None
        assert snapshot.server is not None
        assert (snapshot.server.kinds, snapshot.server.memory_used) == ((), None)
        source.watch("tasks")
        assert [task.sought for task in read_twice(source)] == [None]
        source.watch("lane", LANE)
        assert (source.read().capacities, source.read().error) == ({}, None)
    finally:
        queue_redis.execute_command("ACL", "SETUSER", "default", "+@all")


def test_an_info_with_anything_in_it_is_read() -> None:
    empty = ServerView(picture_age_seconds=None)
    assert parse_server({}, {}, 0.0) == empty

    broken = dict.fromkeys(["used_memory", "maxmemory", "rdb_last_save_time", "db0", "loading"], "[/x]")
    assert parse_server(broken, {"latency_percentiles_usec_get": 7}, 0.0) == empty
    assert server_table(Snapshot(at=1.0, server=empty)).rows


def test_a_server_that_loses_data_stands_out() -> None:
    server = ServerView(memory_used=95, memory_max=100, policy="allkeys-lru", evicted=3, is_log_written=False)
    table = server_table(replace(Snapshot(at=1.0), server=replace(server, has_log=True, is_picture_written=False)))

    troubled = {row[0].text for row in table.rows if any(cell.tone in ("warn", "bad") for cell in row)}
    assert troubled == {"memory", "policy", "log (AOF)", "picture (RDB)"}
    assert key_table(Snapshot(at=1.0, server=server)).empty == "No keys."


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (keys.worker("a"), "worker records"),
        (keys.WORKERS, "cluster's other keys"),
        (keys.health_minute(1), "health"),
        (keys.acks("b", "q"), "in hand of processes"),
        (keys.dead_bodies("q"), "dead letters"),
        (keys.dead("q"), "dead letters' times"),
        (keys.delayed_bodies("q"), "delayed messages"),
        (keys.bodies("q"), "messages"),
        (keys.ready("q"), "lists of messages"),
        (keys.result("q", "a", "id"), "results"),
        ("celery", "others' keys"),
    ],
)
def test_each_key_has_a_kind(key: str, kind: str) -> None:
    assert kind_of(key.encode()) == kind
