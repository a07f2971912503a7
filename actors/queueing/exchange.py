"""What is said to Redis in several round trips, written once for threads and for asyncio."""

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import redis
import redis.asyncio

from actors.queueing.commands import Command, execute, execute_async

Outcome = TypeVar("Outcome")

#: Yields the commands of a round trip, is sent their answers, and returns what came of it all.
Exchange = Generator[Sequence[Command], Sequence[Any], Outcome]


def run(client: redis.Redis, exchange: Exchange[Outcome]) -> Outcome:
    """Raises what the exchange raises, and what `execute` does."""
    try:
        commands = next(exchange)
        while True:
            commands = exchange.send(execute(client, commands))
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome


async def run_async(client: redis.asyncio.Redis, exchange: Exchange[Outcome]) -> Outcome:
    """Raises what the exchange raises, and what `execute_async` does."""
    try:
        commands = next(exchange)
        while True:
            commands = exchange.send(await execute_async(client, commands))
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
