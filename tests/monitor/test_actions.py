"""What operators do is done once in Redis, however many monitors do it at the same time."""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from actors.queueing.broker import ClusterBroker
from actors.queueing.lanes import LaneReader
from monitor.core.lane_actions import CHUNK, LaneActions
from monitor.core.source import RedisSource
from monitor.core.told import Told
from monitor.core.trouble_finder import TroubleFinder
from monitor.core.undo import UndoFolder, undo_folder
from monitor.core.undoing import Undoing
from monitor.core.worker_actions import WorkerActions
from settings import keys
from settings.config import Settings
from settings.worker_commands import Command
from tests.monitor.cluster import Cluster

LANE, OTHER_LANE = "inference.normal.org/a", "inference.high.org/b"


@pytest.fixture
def broker(settings: Settings) -> ClusterBroker:
    return create_broker(settings)


@pytest.fixture
def send(settings: Settings, broker: ClusterBroker) -> Callable[..., list[str]]:
    """Sends tasks; returns their ids."""
    client = Client(settings, broker)

    def send(count: int = 1, model: str = "org/a", priority: int = 5) -> list[str]:
        messages = [client.message("embed", model=model, texts=["grüße"], priority=priority) for _ in range(count)]
        return [broker.enqueue(message).message_id for message in messages]

    return send


@pytest.fixture
def lanes(settings: Settings) -> Iterator[LaneActions]:
    lanes = LaneActions(settings)
    yield lanes
    lanes.close()


@pytest.fixture
def undoing(settings: Settings) -> Iterator[Undoing]:
    undoing = Undoing(settings)
    yield undoing
    undoing.close()


@pytest.fixture
def workers(settings: Settings) -> Iterator[WorkerActions]:
    workers = WorkerActions(settings)
    yield workers
    workers.close()


def at_once(settings: Settings, act: Callable[[LaneActions], Told]) -> list[Told]:
    """The same by four monitors."""
    with ExitStack() as stack, ThreadPoolExecutor(4) as threads:
        others = [LaneActions(settings) for _ in range(4)]
        for other in others:
            stack.callback(other.close)
        return list(threads.map(act, others))


def ids_in(broker: ClusterBroker, lane: str) -> list[str]:
    """The messages of a lane, from its head."""
    ids: Any = broker.client.lrange(keys.ready(lane), 0, -1)
    return [json.loads(broker.client.hget(keys.bodies(lane), each))["message_id"] for each in ids]


def seen(queue_redis: redis.Redis) -> list[str]:
    """The lanes that a worker may take tasks from now."""
    reader = LaneReader(queue_redis, keys.INFERENCE_QUEUE, "a-broker", "a-worker")
    look = reader.look(is_free=True, models=(), room=0)
    return sorted(head.lane for head in look.heads)


def events(source: RedisSource) -> list[tuple[str, str, int]]:
    """What the monitor shows of what was done, the newest first."""
    return [(event.what, event.about, event.count) for event in source.read().audit]


def test_workers_take_nothing_from_a_paused_lane_until_it_is_resumed(
    lanes: LaneActions, send: Callable[..., list[str]], queue_redis: redis.Redis
) -> None:
    send(model="org/a")
    send(model="org/b", priority=1)

    assert lanes.pause(LANE).text == f"{LANE} is paused"
    assert seen(queue_redis) == [OTHER_LANE]

    assert lanes.resume(LANE).text == f"{LANE} is served again"
    assert seen(queue_redis) == [OTHER_LANE, LANE]


def test_a_paused_queue_is_paused_with_all_its_lanes(
    lanes: LaneActions, send: Callable[..., list[str]], queue_redis: redis.Redis
) -> None:
    send()
    queue_redis.rpush(keys.ready(keys.INFERENCE_QUEUE), "of-plain-dramatiq")

    lanes.pause(keys.INFERENCE_QUEUE)

    assert seen(queue_redis) == []
    assert queue_redis.sismember(keys.LANES, LANE)


def test_a_consumer_takes_what_waited_as_soon_as_its_lane_is_resumed(
    lanes: LaneActions, send: Callable[..., list[str]], broker: ClusterBroker
) -> None:
    lanes.pause(LANE)
    send()
    consumer = broker.consume(keys.INFERENCE_QUEUE, prefetch=1, timeout=10)

    assert next(consumer) is None

    lanes.resume(LANE)
    broker.doorbell.event(keys.INFERENCE_QUEUE).set()  # as the ring does

    assert next(consumer) is not None


def test_resuming_rings(lanes: LaneActions, queue_redis: redis.Redis) -> None:
    lanes.pause(LANE)
    with queue_redis.pubsub() as listener:
        listener.subscribe(keys.bell(keys.INFERENCE_QUEUE))
        listener.get_message(timeout=5)

        lanes.resume(LANE)

        assert (listener.get_message(timeout=5) or {})["type"] == "message"


def test_explain_says_that_the_lane_is_paused(lanes: LaneActions, settings: Settings, broker: ClusterBroker) -> None:
    client = Client(settings, broker)
    message = client.send("embed", model="org/a", texts=["a text"])

    for name in (LANE, keys.INFERENCE_QUEUE):
        lanes.pause(name)
        explanation = client.explain(message)
        lanes.resume(name)
        assert f"in the lane {LANE}, which is paused" in explanation.text
        assert explanation.estimate.basis == "its lane is paused until an operator resumes it"

    assert "paused" not in client.explain(message).text


def test_a_pause_is_told_as_trouble_with_who_made_it_and_shown_while_nothing_waits(
    lanes: LaneActions, source: RedisSource
) -> None:
    lanes.pause(LANE)

    snapshot = source.read()

    assert [lane.name for lane in snapshot.lanes if lane.is_paused] == [LANE]
    (trouble,) = (each for each in TroubleFinder(300).find(snapshot) if each.kind == "paused")
    assert (trouble.severity, trouble.about) == ("warn", LANE)
    assert f"0 tasks wait because {snapshot.audit[0].who} paused it" in trouble.text


def test_of_monitors_that_pause_at_once_one_does_it(settings: Settings, source: RedisSource) -> None:
    paused = at_once(settings, lambda lanes: lanes.pause(LANE))
    resumed = at_once(settings, lambda lanes: lanes.resume(LANE))

    assert sorted(told.text for told in paused) == [f"{LANE} is paused", *[f"{LANE} was paused already"] * 3]
    assert sorted(told.text for told in resumed) == [f"{LANE} is served again", *[f"{LANE} was not paused"] * 3]
    assert events(source) == [("resume", LANE, 1), ("pause", LANE, 1)]


def test_what_waits_is_deleted_and_what_is_in_hand_stays(
    lanes: LaneActions, send: Callable[..., list[str]], broker: ClusterBroker, source: RedisSource
) -> None:
    send(CHUNK + 3)
    broker.do_fetch(LANE, 1)

    told = lanes.purge("inference", [LANE, OTHER_LANE])

    assert told.text.startswith(f"{CHUNK + 2} deleted from inference; u puts them back (")
    assert broker.client.llen(keys.ready(LANE)) == 0
    assert broker.client.hlen(keys.bodies(LANE)) == 1
    assert events(source) == [("delete waiting", "inference", CHUNK + 2)]


def test_what_was_deleted_is_put_back_in_its_order_before_what_came_later(
    lanes: LaneActions, undoing: Undoing, send: Callable[..., list[str]], broker: ClusterBroker
) -> None:
    first = send(CHUNK + 3)
    lanes.purge(LANE, [LANE])
    later = send(2)

    assert undoing.undo().text.startswith(f"{CHUNK + 3} put back from ")

    assert ids_in(broker, LANE) == [*first, *later]
    assert undoing.undo().text.startswith("There is nothing to undo")


def test_of_monitors_that_delete_at_once_each_task_is_deleted_and_put_back_once(
    settings: Settings, undoing: Undoing, send: Callable[..., list[str]], broker: ClusterBroker, source: RedisSource
) -> None:
    sent = send(150)

    at_once(settings, lambda lanes: lanes.purge(LANE, [LANE]))

    assert sum(count for what, _, count in events(source) if what == "delete waiting") == 150
    assert broker.client.hlen(keys.bodies(LANE)) == 0
    while undoing.undo().went_well:
        pass
    assert sorted(ids_in(broker, LANE)) == sorted(sent)


def test_of_monitors_that_undo_at_once_one_does_it(
    settings: Settings, lanes: LaneActions, send: Callable[..., list[str]], broker: ClusterBroker
) -> None:
    send(5)
    lanes.purge(LANE, [LANE])
    others = [Undoing(settings) for _ in range(4)]

    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(Undoing.undo, others))

    assert [each.went_well for each in told].count(True) == 1
    assert broker.client.llen(keys.ready(LANE)) == broker.client.hlen(keys.bodies(LANE)) == 5
    for other in others:
        other.close()


def test_a_deletion_that_cannot_be_put_back_can_be_undone_later(
    settings: Settings, lanes: LaneActions, undoing: Undoing, send: Callable[..., list[str]], broker: ClusterBroker
) -> None:
    send()
    lanes.purge(LANE, [LANE])
    broker.client.set(keys.ready(LANE), "no list")

    with pytest.raises(redis.RedisError):
        undoing.undo()

    broker.client.delete(keys.ready(LANE), keys.bodies(LANE))
    assert undoing.undo().went_well


def test_deletions_of_another_redis_are_not_put_back_here(settings: Settings, undoing: Undoing) -> None:
    other = UndoFolder(settings.state_dir / "undo", "elsewhere:6379")
    other.begin("waiting")

    assert not undoing.undo().went_well


def test_nothing_is_deleted_when_the_undo_file_cannot_be_written(
    settings: Settings, lanes: LaneActions, send: Callable[..., list[str]], broker: ClusterBroker
) -> None:
    send()
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    (settings.state_dir / "undo").write_text("a file where the folder should be")

    with pytest.raises(FileExistsError):
        lanes.purge(LANE, [LANE])

    assert broker.client.llen(keys.ready(LANE)) == 1


def test_undo_files_are_their_owners_alone_and_are_not_kept_for_ever(settings: Settings, tmp_path: Path) -> None:
    folder = undo_folder(settings)

    files = [folder.begin("dead") for _ in range(60)]

    left = list(files[0].path.parent.iterdir())
    assert len(left) == 50
    assert files[-1].path in left
    assert sys.platform == "win32" or {path.stat().st_mode & 0o777 for path in left} == {0o600}


def test_a_command_lies_in_the_workers_own_queue_and_its_silence_is_told(
    workers: WorkerActions, cluster: Cluster, source: RedisSource, broker: ClusterBroker
) -> None:
    cluster.beat("gpu-01-42")

    told = workers.command("gpu-01-42", "load", "org/a", seconds=0.1)

    assert (told.text, told.went_well) == ("gpu-01-42: no answer to load in 0.1 s; it may still do it", False)
    message = next(broker.consume(keys.control_queue("gpu-01-42"), prefetch=5, timeout=10))
    assert message is not None
    assert message.actor_name == "command_worker"
    assert message.kwargs == {"worker_id": "gpu-01-42", "action": "load", "model": "org/a"}
    assert events(source) == [("load", "gpu-01-42 org/a", 1)]


def test_a_worker_that_is_not_alive_is_not_commanded(workers: WorkerActions, source: RedisSource) -> None:
    assert workers.command("gone-1", "drain").text == "There is no live worker gone-1."
    assert events(source) == []


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        (
            {
                "outcome": {
                    "worker_id": "w",
                    "action": "load",
                    "text": "loaded",
                    "models": ["org/a@1"],
                    "memory_before": 2**30,
                    "memory_after": 3 * 2**30,
                }
            },
            "w: loaded org/a@1; memory 1.0 GiB → 3.0 GiB",
        ),
        ({"outcome": {"worker_id": "w", "action": "drain", "text": "takes no more tasks"}}, "w: takes no more tasks"),
        ({"error": ["ModelNotLoaded", "org/a is not there"]}, "w: ModelNotLoaded: org/a is not there"),
        ({"exn": {"type": "TaskFailed", "msg": "it broke"}}, "w: TaskFailed: it broke"),
        (["no answer"], "w: its answer cannot be read; update the older side"),
    ],
)
def test_a_workers_answer_is_told_in_a_sentence(
    workers: WorkerActions,
    cluster: Cluster,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    stored: Any,
    sentence: str,
) -> None:
    from settings import connections

    cluster.beat("w")
    command = Command("w", "load", {}, "an-id", 2**50)
    monkeypatch.setattr(Command, "now", lambda *_, **__: command)
    with connections.result_client(settings) as results:
        results.rpush(command.result_key, json.dumps(stored))

    told = workers.command("w", "load", "org/a", seconds=5)

    assert told.text == sentence


def test_events_that_anybody_wrote_are_shown_as_far_as_they_can_be(
    source: RedisSource, queue_redis: redis.Redis
) -> None:
    queue_redis.xadd(keys.AUDIT, {b"who": b"\xff[/x]", b"count": b"many", b"else": b"x"})

    (event,) = source.read().audit

    assert (event.who, event.what, event.count) == ("�[/x]", "", 0)
