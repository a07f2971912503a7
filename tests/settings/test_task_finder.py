"""Where a task is, read from a real Redis into which the test puts what clients and workers put there."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from dramatiq import Message

from actors.broker import create_broker
from actors.client import Client
from actors.errors import RedisUnreachable
from actors.payloads import REQUESTS
from actors.queueing.broker import ClusterBroker
from settings import keys, task_search
from settings.capacity import note_service
from settings.config import Settings
from settings.connections import result_client
from settings.explanation import Cancelled, DeadLetter, Delayed, Ended, Explanation, Running, Unknown, Waiting
from settings.footprints import LAST_FOOTPRINT
from settings.sought_task import SoughtTask
from settings.task_finder import TaskFinder
from tests.monitor.cluster import Cluster, model

LANE = "inference.normal.org/a"


@pytest.fixture
def broker(settings: Settings) -> ClusterBroker:
    return create_broker(settings)


@pytest.fixture
def client(settings: Settings, broker: ClusterBroker) -> Client:
    return Client(settings, broker)


@pytest.fixture
def results(settings: Settings) -> redis.Redis:
    return result_client(settings)


@pytest.fixture
def workers(queue_redis: redis.Redis) -> Cluster:
    return Cluster(queue_redis)


@pytest.fixture
def explain_id(settings: Settings, queue_redis: redis.Redis, results: redis.Redis) -> Callable[[str], Explanation]:
    """Explains a task of which only the id is known."""
    finder = TaskFinder(queue_redis, results)
    return lambda message_id: finder.explain(SoughtTask(message_id))


def send(client: Client, name: str = "org/a") -> Message[Any]:
    return client.send("embed", model=name, texts=["a text"])


def take(broker: ClusterBroker, lane: str = LANE, count: int = 1) -> list[Message[Any]]:
    """What a worker does first: it fetches."""
    return [Message.decode(body) for body in broker.do_fetch(lane, count)]


def without_redis_id(message: Message[Any]) -> Message[Any]:
    """The copy of one who built the message and sent it later."""
    options = {name: value for name, value in message.options.items() if name not in ("lane", "redis_message_id")}
    return Message(**{**message.asdict(), "options": options})


def test_a_waiting_task_has_a_position(client: Client) -> None:
    first, second, third = (send(client) for _ in range(3))

    place = client.explain(second).place

    assert isinstance(place, Waiting)
    assert (place.lane, place.priority, place.position, place.depth, place.ahead) == (LANE, "normal", 2, 3, 1)
    assert place.age_seconds is not None
    assert place.age_seconds < 30
    assert [client.explain(message).place.position for message in (first, third)] == [1, 3]


def test_tasks_of_higher_priority_are_ahead_of_it(client: Client, broker: ClusterBroker) -> None:
    message = send(client)
    urgent = client.message("embed", model="org/a", texts=["a text"]).copy(options={"priority": 1})
    broker.enqueue(urgent)
    send(client, "org/b")

    place = client.explain(message).place

    assert isinstance(place, Waiting)
    assert (place.position, place.ahead) == (1, 1)


def test_a_task_whose_redis_id_its_caller_does_not_know_is_found(client: Client) -> None:
    send(client)
    message = send(client)

    place = client.explain(without_redis_id(message)).place

    assert isinstance(place, Waiting)
    assert place.position == 2


def test_what_plain_dramatiq_sends_is_found_in_the_queues_own_list(client: Client, settings: Settings) -> None:
    from dramatiq.brokers.redis import RedisBroker

    message = client.message("embed", model="org/a", texts=["a text"])
    sent = RedisBroker(url=settings.redis_url, middleware=[]).enqueue(message)

    for known in (message, sent):
        place = client.explain(known).place
        assert isinstance(place, Waiting)
        assert (place.lane, place.position) == ("inference", 1)


def test_an_id_alone_is_enough(client: Client, explain_id: Callable[[str], Explanation]) -> None:
    send(client, "org/b")
    message = send(client)

    explained = explain_id(message.message_id)

    assert (explained.actor, explained.model) == ("embed", "org/a")
    assert isinstance(explained.place, Waiting)
    assert explained.place.lane == LANE


def test_a_task_in_a_workers_record_runs_there(
    client: Client, broker: ClusterBroker, workers: Cluster, explain_id: Callable[[str], Explanation]
) -> None:
    message = send(client)
    take(broker)
    running = {"message_id": message.message_id, "actor": "embed", "model": "org/a", "started_at": 1000.0}
    workers.beat("gpu-01-42", state="loading", loading="org/a@main", running=[running])

    for explained in (client.explain(message), explain_id(message.message_id)):
        assert explained.place == Running(worker_id="gpu-01-42", since=1000.0, doing="loading org/a@main")
        assert (explained.actor, explained.model) == ("embed", "org/a")
        assert explained.workers[0].text == "loading org/a@main, busy with 1 task"


def test_a_task_that_waits_for_its_model_is_told_how_far_that_is(
    client: Client, broker: ClusterBroker, workers: Cluster
) -> None:
    message = send(client)
    take(broker)
    running = {"message_id": message.message_id, "actor": "embed", "model": "org/a", "started_at": 1000.0}
    coming = {"model": "org/a", "phase": "downloading", "started_at": 1.0}
    figures = {"done_bytes": 1_200_000_000, "total_bytes": 4_100_000_000, "seconds_left": 20.0}
    workers.beat("gpu-01-42", loading="org/b@main", running=[running], arriving=[coming | figures])

    explained = client.explain(message)

    assert explained.text.endswith("which is downloading the model: 1.2 of 4.1 GB, about 20 s left")
    assert explained.workers[0].text == (
        "downloading org/a: 1.2 of 4.1 GB, about 20 s left, loading org/b@main, busy with 1 task"
    )


def test_a_task_that_two_workers_claim_runs_where_the_fresher_word_comes_from(
    client: Client, broker: ClusterBroker, workers: Cluster
) -> None:
    message = send(client)
    take(broker)
    running = {"message_id": message.message_id, "actor": "embed", "model": "org/a", "started_at": 1000.0}
    workers.beat("died", age_seconds=9, running=[running])
    workers.beat("lives", age_seconds=1, running=[running])

    assert client.explain(message).place == Running(worker_id="lives", since=1000.0)


def test_a_task_that_was_just_taken_is_known_from_what_redis_gave(
    client: Client, broker: ClusterBroker, workers: Cluster
) -> None:
    message = send(client)
    take(broker)
    workers.beat("other", broker_id="of another")
    workers.beat("gpu-01-42", broker_id=broker.broker_id)

    assert client.explain(message).place == Running(worker_id="gpu-01-42")


def test_a_task_whose_worker_has_died_is_in_nobodys_hands(client: Client, broker: ClusterBroker) -> None:
    message = send(client)
    take(broker)

    explained = client.explain(message)

    assert explained.place == Running()
    assert "comes back into its lane" in explained.text


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"traceback": "Traceback (most recent call last):\n  …\nValueError: no room\n"}, "ValueError: no room"),
        ({"retry_reasons": ["StoreUnreachable: away", "DeviceOutOfMemory: full"]}, "DeviceOutOfMemory: full"),
        ({"retry_reasons": 5, "traceback": []}, None),
    ],
)
def test_a_retry_is_delayed_with_its_reason(
    client: Client,
    broker: ClusterBroker,
    explain_id: Callable[[str], Explanation],
    options: dict[str, object],
    reason: str | None,
) -> None:
    message = send(client)
    (taken,) = take(broker)
    taken.options.update(retries=1, **options)
    broker.enqueue(taken, delay=60_000)
    broker.do_ack(LANE, message.options["redis_message_id"])

    for explained in (client.explain(message), explain_id(message.message_id)):
        place = explained.place
        assert isinstance(place, Delayed)
        assert place.until is not None
        assert 50 < place.until - time.time() < 61
        assert (place.retries, place.reason) == (1, reason)
        assert explained.model == "org/a"


def test_a_task_that_waits_again_after_a_retry_is_found_under_its_new_id(client: Client, broker: ClusterBroker) -> None:
    message = send(client)
    send(client)
    (taken,) = take(broker)
    broker.enqueue(taken)
    broker.do_ack(LANE, message.options["redis_message_id"])

    place = client.explain(message).place

    assert isinstance(place, Waiting)
    assert (place.position, place.depth) == (2, 2)


def test_a_task_that_was_sent_with_a_delay_is_delayed(client: Client, broker: ClusterBroker) -> None:
    message = broker.enqueue(client.message("embed", model="org/a", texts=["a text"]), delay=60_000)

    place = client.explain(message).place

    assert isinstance(place, Delayed)
    assert (place.retries, place.reason) == (0, None)


def test_a_stored_result_has_ended_well(
    client: Client, results: redis.Redis, explain_id: Callable[[str], Explanation]
) -> None:
    message = client.message("embed", model="org/a", texts=["a text"])
    results.lpush(keys.result("inference", "embed", message.message_id), json.dumps({"output": [], "metadata": {}}))

    assert client.explain(message).place == Ended()
    assert explain_id(message.message_id).place == Ended()


def test_a_stored_failure_tells_its_class_and_text(client: Client, broker: ClusterBroker) -> None:
    message = send(client)
    broker.get_results_backend().store_exception(message, ValueError("no such thing"), 10_000)

    assert client.explain(message).place == Ended(failure="ValueError", failure_text="no such thing")


def test_a_cancelled_task_is_cancelled_before_and_after_it_is_answered(client: Client, broker: ClusterBroker) -> None:
    from actors.errors import TaskCancelled

    message = send(client)
    client.cancel(message)

    assert client.explain(message).place == Cancelled(is_answered=False)

    broker.get_results_backend().store_exception(message, TaskCancelled("embed was cancelled"), 10_000)

    assert client.explain(message).place == Cancelled(is_answered=True)


def test_a_dead_letter_whose_result_has_expired_is_a_dead_letter(
    client: Client, broker: ClusterBroker, explain_id: Callable[[str], Explanation]
) -> None:
    message = send(client)
    take(broker)
    broker.do_nack(LANE, message.options["redis_message_id"])

    for known in (client.explain(message), client.explain(without_redis_id(message)), explain_id(message.message_id)):
        assert isinstance(known.place, DeadLetter)
        assert known.place.lane == LANE
        assert abs(known.place.died_at - time.time()) < 30
        assert known.workers == ()


def test_what_was_never_sent_is_unknown(client: Client, explain_id: Callable[[str], Explanation]) -> None:
    message = client.message("embed", model="org/a", texts=["a text"])

    for explained in (client.explain(message), explain_id(message.message_id), explain_id("")):
        assert isinstance(explained.place, Unknown)
        assert explained.text == ("is not known: it expired, was never sent, or is deep in a long queue")


def test_a_search_has_an_end(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_search, "ROUND_TRIPS", 1)
    monkeypatch.setattr(task_search, "STEP", 1)
    messages = [without_redis_id(send(client)) for _ in range(64)]

    states = {client.explain(message).place.state for message in messages}

    assert "unknown" in states


def test_workers_say_who_would_have_to_load_what(client: Client, workers: Cluster, queue_redis: redis.Redis) -> None:
    message = send(client)
    queue_redis.hset(keys.footprint("org/a"), LAST_FOOTPRINT, 3_000_000_000)
    workers.beat("gpu-01-42", models=[model("org/b")])
    workers.beat("gpu-02-43", age_seconds=9, state="standby", device=None)
    workers.beat("host-44", state="control", device=None)
    workers.vanish("gpu-99", age_seconds=40)

    texts = {said.worker_id: said.text for said in client.explain(message).workers}

    assert texts == {
        "gpu-01-42": "would have to load 3.0 GB, free memory not known",
        "gpu-02-43": "late for 9 s, standby",
    }


def test_the_estimate_uses_what_workers_measured(client: Client, queue_redis: redis.Redis) -> None:
    _, _, message = (send(client) for _ in range(3))
    with queue_redis.pipeline() as pipe:
        note_service(pipe, "org/a", seconds=5.0, tasks=10)
        pipe.zadd(keys.DEVICES, {"gpu-01-42": queue_redis.time()[0]})
        pipe.execute()

    assert client.explain(message).estimate.seconds == 1.0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 99}', b"\xff\x00", '{"worker_id": 5, "models": {"a": null}}']
)
def test_hostile_records_say_nothing_readable(client: Client, workers: Cluster, text: str | bytes) -> None:
    message = send(client)
    workers.beat_raw("gpu-01-42", text)

    explained = client.explain(message)

    assert [said.text for said in explained.workers] == ["says nothing readable"]
    assert explained.place.state == "waiting"


@pytest.mark.parametrize(
    "body", ["", "[]", '{"message_id": 5}', '{"options": {"lane": 5, "redis_message_id": []}, "kwargs": 7}', b"\xff"]
)
def test_hostile_messages_are_passed_over(client: Client, queue_redis: redis.Redis, body: str | bytes) -> None:
    message = send(client)
    junk = body if isinstance(body, bytes) else body + json.dumps(message.message_id)
    queue_redis.hset(keys.bodies(LANE), "junk", junk)

    assert client.explain(without_redis_id(message)).place.state == "waiting"


def test_a_stored_text_that_is_no_result_has_ended_all_the_same(client: Client, results: redis.Redis) -> None:
    message = client.message("embed", model="org/a", texts=["a text"])
    results.lpush(keys.result("inference", "embed", message.message_id), b"\xff{")

    assert client.explain(message).place == Ended()


def test_an_explanation_can_be_stored_and_read_again(client: Client, workers: Cluster) -> None:
    message = send(client)
    workers.beat("gpu-01-42")
    explained = client.explain(message)

    assert Explanation.from_json(explained.to_json()) == explained


def test_without_a_redis_the_error_says_so(tmp_path: Any) -> None:
    nowhere = Settings(_env_file=None, redis_url="redis://127.0.0.1:1/0", state_dir=tmp_path)
    client = Client(nowhere, create_broker(nowhere))

    with pytest.raises(RedisUnreachable):
        client.explain(client.message("embed", model="org/a", texts=["a text"]))


def test_the_actors_and_keys_are_those_of_the_service(client: Client) -> None:
    message = client.message("embed", model="org/a", texts=["a text"])

    assert set(keys.INFERENCE_ACTORS) == set(REQUESTS)
    assert keys.result("inference", "embed", message.message_id) == client._key(message)


def test_it_costs_a_few_round_trips(
    client: Client, broker: ClusterBroker, workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.beat("gpu-01-42", broker_id=broker.broker_id)
    taken, waiting, ended = (send(client) for _ in range(3))
    take(broker)
    broker.get_results_backend().store_exception(ended, ValueError(), 10_000)
    trips = count_round_trips(monkeypatch)

    costs = []
    for message in (ended, waiting, taken):
        before = len(trips)
        client.explain(message)
        costs.append(len(trips) - before)

    assert costs[0] == 2
    assert max(costs) <= 5


def count_round_trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with each command or pipeline that waits for an answer."""
    trips: list[str] = []
    for kind, name in ((redis.Redis, "execute_command"), (redis.client.Pipeline, "execute")):
        original = getattr(kind, name)

        def counted(self: Any, *arguments: Any, _original: Any = original, **options: Any) -> Any:
            trips.append(_original.__name__)
            return _original(self, *arguments, **options)

        monkeypatch.setattr(kind, name, counted)
    return trips
