"""What is said to Redis in several round trips, written once for threads and for asyncio."""

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import redis
import redis.asyncio

from actors.queueing.commands import Command, execute, execute_async

Outcome = TypeVar("Outcome")

#: Yields the commands of a round trip, is sent their answers or thrown what came instead, and returns the outcome.
Exchange = Generator[Sequence[Command], Sequence[Any], Outcome]


def run(client: redis.Redis, exchange: Exchange[Outcome]) -> Outcome:
    """Raises what the exchange raises, and what of `execute` it does not catch."""
    try:
        commands = next(exchange)
        while True:
            try:
                answers = execute(client, commands)
            except redis.RedisError as error:
                commands = exchange.throw(error)
            else:
                commands = exchange.send(answers)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome


async def run_async(client: redis.asyncio.Redis, exchange: Exchange[Outcome]) -> Outcome:
    """Raises what the exchange raises, and what of `execute_async` it does not catch."""
    try:
        commands = next(exchange)
        while True:
            try:
                answers = await execute_async(client, commands)
            except (redis.RedisError, OSError) as error:
                commands = exchange.throw(error)
            else:
                commands = exchange.send(answers)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
