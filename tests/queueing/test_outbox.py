"""Sends of one event loop that go together."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from dramatiq import Message

from actors.errors import RedisUnreachable
from actors.queueing.outbox import MOST_BYTES, MOST_TOGETHER, Outbox


def message(number: int) -> Message[Any]:
    return Message(queue_name="inference", actor_name="embed", args=(), kwargs={"number": number}, options={})


class Post:
    """Notes each bundle; holds the first until the test lets it go."""

    def __init__(self) -> None:
        self.bundles: list[list[int]] = []
        self.may_go_on = asyncio.Event()
        self.refused: dict[int, Exception] = {}

    async def send_all(self, messages: Sequence[Message[Any]]) -> list[Message[Any] | Exception]:
        self.bundles.append([message.kwargs["number"] for message in messages])
        await asyncio.wait_for(self.may_go_on.wait(), 10)
        return [self.refused.get(message.kwargs["number"], message) for message in messages]


async def test_what_is_sent_while_others_are_on_their_way_goes_together() -> None:
    post = Post()
    outbox = Outbox(post.send_all)

    first = asyncio.create_task(outbox.send(message(0), 10))
    while not post.bundles:
        await asyncio.sleep(0)
    others = asyncio.gather(*(outbox.send(message(number), 10) for number in range(1, 6)))
    await asyncio.sleep(0)
    post.may_go_on.set()

    assert (await first).kwargs == {"number": 0}
    assert [sent.kwargs["number"] for sent in await others] == [1, 2, 3, 4, 5]
    assert post.bundles == [[0], [1, 2, 3, 4, 5]]


async def test_what_is_refused_does_not_hurt_those_it_goes_with() -> None:
    post = Post()
    post.may_go_on.set()
    post.refused[1] = ValueError("no room")
    outbox = Outbox(post.send_all)

    outcomes = await asyncio.gather(*(outbox.send(message(number), 10) for number in range(3)), return_exceptions=True)

    assert [isinstance(outcome, Message) for outcome in outcomes] == [True, False, True]


async def test_an_error_of_the_whole_bundle_reaches_every_sender_and_the_next_is_sent() -> None:
    async def fail(_: Sequence[Message[Any]]) -> list[Message[Any] | Exception]:
        raise OSError("away")

    failing = Outbox(fail)

    for outcome in await asyncio.gather(
        failing.send(message(0), 10), failing.send(message(1), 10), return_exceptions=True
    ):
        assert isinstance(outcome, OSError)
    with pytest.raises(OSError, match="away"):
        await failing.send(message(2), 10)


async def test_a_sender_that_is_cancelled_does_not_stop_the_others() -> None:
    post = Post()
    outbox = Outbox(post.send_all)
    cancelled, other = (asyncio.create_task(outbox.send(message(number), 10)) for number in range(2))
    while not post.bundles:
        await asyncio.sleep(0)

    cancelled.cancel()
    post.may_go_on.set()

    assert (await other).kwargs == {"number": 1}


async def test_a_bundle_holds_no_more_bytes_than_a_slow_link_carries_in_time() -> None:
    post = Post()
    post.may_go_on.set()
    outbox = Outbox(post.send_all)

    await asyncio.gather(*(outbox.send(message(number), MOST_BYTES // 2) for number in range(5)))

    assert post.bundles == [[0, 1], [2, 3], [4]]


async def test_what_is_larger_than_a_bundle_goes_alone() -> None:
    post = Post()
    post.may_go_on.set()
    outbox = Outbox(post.send_all)

    await asyncio.gather(*(outbox.send(message(number), 2 * MOST_BYTES) for number in range(2)))

    assert post.bundles == [[0], [1]]


async def test_what_was_cancelled_before_it_left_is_not_sent() -> None:
    post = Post()
    outbox = Outbox(post.send_all)
    first, cancelled, other = (asyncio.create_task(outbox.send(message(number), 10)) for number in range(3))
    while not post.bundles:
        await asyncio.sleep(0)
    late = asyncio.create_task(outbox.send(message(3), 10))
    await asyncio.sleep(0)

    late.cancel()
    post.may_go_on.set()
    await asyncio.gather(first, cancelled, other)
    await outbox.close()

    assert post.bundles == [[0, 1, 2]]


async def test_when_redis_does_not_answer_those_who_wait_are_told_together() -> None:
    tries = 0

    async def fail(_: Sequence[Message[Any]]) -> list[Message[Any] | Exception]:
        nonlocal tries
        tries += 1
        raise RedisUnreachable("away")

    outbox = Outbox(fail)
    sends = [outbox.send(message(number), 10) for number in range(3 * MOST_TOGETHER)]
    outcomes = await asyncio.gather(*sends, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {RedisUnreachable}
    assert tries == 1


async def test_closing_waits_for_what_is_on_its_way() -> None:
    post = Post()
    outbox = Outbox(post.send_all)
    sent = asyncio.create_task(outbox.send(message(0), 10))
    while not post.bundles:
        await asyncio.sleep(0)

    closing = asyncio.create_task(outbox.close())
    await asyncio.sleep(0)
    assert not closing.done()
    post.may_go_on.set()
    await closing

    assert (await sent).kwargs == {"number": 0}
