"""The first result of a task stays."""

import threading
from typing import Any

import pytest
import redis

from actors.broker import create_broker
from actors.client import Client
from actors.queueing import patience
from actors.queueing.results import ResultBackend
from settings.config import Settings
from settings.connections import result_client
from tests.waiting import wait_until

REQUEST = {"model": "org/name", "texts": ["a text"]}


def test_a_second_result_does_not_replace_the_first(settings: Settings) -> None:
    backend, message = ResultBackend(settings), Client(settings, create_broker(settings)).message("embed", **REQUEST)

    backend.store_result(message, "first", 60_000)
    backend.store_result(message, "second", 60_000)
    backend.store_exception(message, ValueError("third"), 60_000)

    assert backend.get_result(message) == "first"


def test_a_channel_is_told_once_of_all_results_that_are_stored_together(settings: Settings) -> None:
    backend, client = ResultBackend(settings), Client(settings, create_broker(settings))
    mine, large, theirs = (client.message("embed", **REQUEST).copy(options={"reply_to": name}) for name in "mmt")
    with result_client(settings) as results, results.pubsub(ignore_subscribe_messages=True) as channels:
        channels.subscribe("m", "t")
        wait_until(lambda: results.pubsub_numsub("m", "t") == [(b"m", 1), (b"t", 1)], "both are subscribed to")

        with backend.together():
            for message, result in ((mine, "small"), (large, "x" * 20_000), (theirs, "other")):
                backend.store_result(message, result, 60_000)

        told: list[tuple[bytes, bytes]] = []
        wait_until(lambda: _take(channels, told) and len(told) == 2, "both are told")
    key = backend.build_message_key
    assert {channel: text.split(b"\n")[::2] for channel, text in told} == {
        b"m": [key(mine).encode(), key(large).encode()],
        b"t": [key(theirs).encode()],
    }
    assert [len(text.split(b"\n")[3]) for channel, text in told if channel == b"m"] == [0]


def _take(channels: Any, told: list[tuple[bytes, bytes]]) -> bool:
    while message := channels.get_message():
        told.append((message["channel"], message["data"]))
    return True


def test_a_result_expires(settings: Settings) -> None:
    backend, message = ResultBackend(settings), Client(settings, create_broker(settings)).message("embed", **REQUEST)

    backend.store_result(message, "first", 60_000)

    with result_client(settings) as results:
        left: int = redis.Redis.ttl(results, backend.build_message_key(message))
    assert 0 < left <= 60


def test_a_worker_sees_in_one_look_what_became_of_a_task(settings: Settings) -> None:
    backend, client = ResultBackend(settings), Client(settings, create_broker(settings))
    new, done, cancelled = (client.message("embed", **REQUEST) for _ in range(3))
    backend.store_result(done, "result", 60_000)
    client.cancel(cancelled)

    assert backend.claim_states([new, done, cancelled]) == [(False, False), (True, False), (False, True)]


def test_results_that_are_stored_together_are_there_at_the_end(settings: Settings) -> None:
    backend, client = ResultBackend(settings), Client(settings, create_broker(settings))
    one, other = (client.message("embed", **REQUEST) for _ in range(2))

    with backend.together():
        backend.store_result(one, "one", 60_000)
        backend.store_exception(other, ValueError("wrong"), 60_000)
        assert backend.claim_states([one, other]) == [(False, False), (False, False)]

    assert backend.claim_states([one, other]) == [(True, False), (True, False)]


def test_a_result_waits_for_a_redis_that_is_full(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "RETRY_SECONDS", 0.05)
    backend, message = ResultBackend(settings), Client(settings, create_broker(settings)).message("embed", **REQUEST)
    backend.client.config_set("maxmemory", 1)
    try:
        storing = threading.Thread(target=backend.store_result, args=(message, "result", 60_000))
        storing.start()
        wait_until(lambda: backend.client.info("errorstats").get("errorstat_OOM"), "Redis refuses it")
        assert storing.is_alive()
    finally:
        backend.client.config_set("maxmemory", 0)
    storing.join(10)

    assert backend.get_result(message) == "result"
