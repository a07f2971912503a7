import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dramatiq
import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from actors.errors import ModelNotFound
from actors.queueing.broker import ClusterBroker
from actors.queueing.results import result_backend
from actors.queueing.stored_message import read_message
from monitor.core.dead_letters import MOST_BYTES, DeadLetter, DeadLetters
from monitor.core.letter_table import letter_table, letter_text
from monitor.core.source import RedisSource
from monitor.core.undoing import Undoing
from settings import keys
from settings.config import Settings
from tests.monitor.round_trips import count_round_trips

LANE = "inference.normal.org/a"


@pytest.fixture
def letters(settings: Settings) -> Iterator[DeadLetters]:
    letters = DeadLetters(settings)
    yield letters
    letters.close()


@pytest.fixture
def broker(settings: Settings) -> ClusterBroker:
    return create_broker(settings)


def die(broker: ClusterBroker, settings: Settings, text: str = "a secret") -> dramatiq.Message[Any]:
    """A task that has failed for good, as a worker puts it away: the failure is stored, then the message is dead."""
    message = Client(settings, broker).send("embed", model="org/a", texts=[text], timeout=60)
    redis_id: bytes = broker.client.lpop(keys.ready(LANE))
    raw = json.loads(broker.client.hget(keys.bodies(LANE), redis_id))
    raw["options"] |= {"retries": 3, "traceback": 'File "x.py", line 1\nRuntimeError: out of memory', "eta": 1}
    result_backend(broker).store_exception(message, ModelNotFound("gone"), 60_000)
    broker.client.hdel(keys.bodies(LANE), redis_id)
    broker.client.hset(keys.dead_bodies(LANE), redis_id, json.dumps(raw))
    broker.client.zadd(keys.dead(LANE), {redis_id: 1_000_000})
    return message


def only(letters: DeadLetters) -> DeadLetter:
    (letter,) = letters.read([LANE])
    return letter


def test_a_letter_tells_its_error_and_what_it_is_but_not_its_callers_text(
    letters: DeadLetters, broker: ClusterBroker, settings: Settings
) -> None:
    die(broker, settings)

    letter = only(letters)

    assert (letter.error, letter.tries, letter.died_at) == ("RuntimeError: out of memory", 4, 1000.0)
    assert letter.body is not None
    assert (letter.body.actor_name, letter.body.model) == ("embed", "org/a")
    assert "texts: list of 1" in letter.fields
    assert "secret" not in repr(letter)


def test_a_letter_that_is_sent_again_is_a_first_attempt_without_a_stored_failure(
    letters: DeadLetters, broker: ClusterBroker, settings: Settings
) -> None:
    message = die(broker, settings, text="grüße")

    assert letters.requeue(only(letters)) == "done"

    assert letters.read([LANE]) == ()
    (redis_id,) = broker.client.lrange(keys.ready(LANE), 0, -1)
    again = read_message(broker.client.hget(keys.bodies(LANE), redis_id), "inference")
    assert again.message_id == message.message_id
    assert again.kwargs == message.kwargs
    assert again.options.keys().isdisjoint({"retries", "traceback", "eta", "deadline"})
    assert again.options["lane"] == LANE
    assert broker.client.sismember(keys.LANES, LANE)
    assert not result_backend(broker).claim_states([again])[0].has_result


def test_two_monitors_that_send_a_letter_again_at_once_make_one_copy(
    letters: DeadLetters, broker: ClusterBroker, settings: Settings
) -> None:
    others = [DeadLetters(settings) for _ in range(4)]
    with ThreadPoolExecutor(len(others)) as threads:
        for _ in range(10):
            die(broker, settings)
            letter = only(letters)

            outcomes = list(threads.map(lambda monitor, letter=letter: monitor.requeue(letter), others))

            assert outcomes.count("done") == 1
            assert broker.client.llen(keys.ready(LANE)) == broker.client.hlen(keys.bodies(LANE)) == 1
            broker.client.flushdb()


def test_a_letter_whose_task_has_a_result_is_not_sent_again(
    letters: DeadLetters, broker: ClusterBroker, settings: Settings, queue_redis: redis.Redis
) -> None:
    message = die(broker, settings)
    backend = result_backend(broker)
    backend.client.delete(backend.build_message_key(message))
    backend.store_result(message, {"vectors": []}, 60_000)

    assert letters.requeue(only(letters)) == "has a result"

    assert broker.client.llen(keys.ready(LANE)) == 0
    assert len(letters.read([LANE])) == 1


def test_a_letter_is_deleted_once(letters: DeadLetters, broker: ClusterBroker, settings: Settings) -> None:
    die(broker, settings)
    letter = only(letters)

    told = [letters.change("delete", [letter]), letters.change("delete", [letter]), letters.change("requeue", [letter])]

    assert [each.text for each in told] == ["1 deleted; u puts back what was deleted", "1 gone", "1 gone"]
    assert broker.client.hlen(keys.dead_bodies(LANE)) == 0


def test_deleted_letters_are_put_back_as_they_were(
    letters: DeadLetters, broker: ClusterBroker, settings: Settings, source: RedisSource
) -> None:
    for _ in range(3):
        die(broker, settings)
    before = letters.read([LANE])
    letters.change("delete", before)
    broker.client.srem(keys.LANES, LANE)

    assert Undoing(settings).undo().text.startswith("3 put back from ")

    assert letters.read([LANE]) == before
    assert LANE in {lane.name for lane in source.read().lanes}
    assert [event.what for event in source.read().audit] == ["undo", "deleted"]


def test_of_monitors_that_delete_letters_at_once_each_is_deleted_and_put_back_once(
    letters: DeadLetters, broker: ClusterBroker, settings: Settings, source: RedisSource
) -> None:
    for _ in range(20):
        die(broker, settings)
    others = [DeadLetters(settings) for _ in range(4)]
    found = letters.read([LANE])

    with ThreadPoolExecutor(len(others)) as threads:
        list(threads.map(lambda monitor: monitor.change("delete", found), others))

    assert sum(event.count for event in source.read().audit) == 20
    while Undoing(settings).undo().went_well:
        pass
    assert len(letters.read([LANE])) == broker.client.hlen(keys.dead_bodies(LANE)) == 20


def test_letters_that_are_sent_again_leave_one_event(
    letters: DeadLetters, broker: ClusterBroker, settings: Settings, source: RedisSource
) -> None:
    die(broker, settings)
    die(broker, settings)

    assert letters.change("requeue", letters.read([LANE])).text == "2 sent again"

    (event,) = source.read().audit
    assert (event.what, event.about, event.count) == ("sent again", LANE, 2)
    assert "@" in event.who


def test_what_cannot_be_read_or_is_large_is_shown_without_its_body(
    letters: DeadLetters, queue_redis: redis.Redis
) -> None:
    bodies = {"odd": b"\xff[/x]", "large": b"x" * (MOST_BYTES + 1), "list": b"[]"}
    queue_redis.hset(keys.dead_bodies(LANE), mapping=bodies)
    queue_redis.zadd(keys.dead(LANE), {**dict.fromkeys(bodies, 1), "without-body": 2})

    found = {letter.redis_id: letter for letter in letters.read([LANE])}

    assert {letter.error for letter in found.values()} == {"not a message", "not shown: 65,537 bytes"}
    assert all(letter.body is None for letter in found.values())
    assert letters.requeue(found["odd"]) == "unreadable"
    assert letters.requeue(found["without-body"]) == "gone"
    assert letters.change("delete", [found["without-body"]]).went_well


def test_of_each_lane_the_newest_are_read_in_two_round_trips_and_a_body_is_read_once(
    letters: DeadLetters, queue_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "inference.normal.org/b"
    for lane in (LANE, other):
        queue_redis.hset(keys.dead_bodies(lane), mapping={str(number): "[]" for number in range(5)})
        queue_redis.zadd(keys.dead(lane), {str(number): number for number in range(5)})
    letters.read(["empty"])  # connects
    trips = count_round_trips(monkeypatch)

    found = letters.read([LANE, other], 2)
    assert [(each.lane, each.redis_id) for each in found] == [(LANE, "4"), (LANE, "3"), (other, "4"), (other, "3")]
    assert len(trips) == 2

    assert letters.read([LANE, other], 2) == found
    assert len(trips) == 3

    older = letters.read([LANE, other], 5)
    assert len(older) == 10
    assert [letter.died_at for letter in older[:5]] == [0.004, 0.003, 0.002, 0.001, 0.0]
    assert len(trips) == 5


def test_letters_with_the_same_error_stand_together_the_newest_first() -> None:
    given = [DeadLetter("q", name, died, size) for name, died, size in [("a", 1, 1), ("b", 2, 99_999), ("c", 3, 1)]]

    table = letter_table(given, now=10.0)

    assert list(table.ids) == ["q c", "q a", "q b"]
    assert [row[1].text for row in table.rows] == ["2", "2", "1"]


def test_letters_that_are_alike_may_be_more_where_older_ones_were_not_read() -> None:
    given = [DeadLetter("q", name, 1, 1) for name in ("a", "b")]

    assert [row[1].text for row in letter_table(given, now=10.0, has_older=True).rows] == ["2+", "2+"]


def test_a_letters_text_says_what_failed_and_hides_the_callers_text(
    letters: DeadLetters, broker: ClusterBroker, settings: Settings
) -> None:
    message = die(broker, settings)

    text = letter_text(only(letters))

    assert f"message   {message.message_id}" in text
    assert "RuntimeError: out of memory" in text
    assert "texts: list of 1" in text
    assert "secret" not in text
