"""Several commands in one round trip, Lua scripts among them."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio
from redis.commands.core import Script
from redis.exceptions import NoScriptError

from settings.connections import QUEUE_ANSWER_SECONDS


@dataclass(frozen=True)
class Command:
    """One Redis command; a script is loaded when the server turns out not to know it."""

    words: tuple[Any, ...]
    script: Script | None = None


def command(*words: Any) -> Command:
    """A plain command."""
    return Command(words)


def call(script: Script, keys: Sequence[Any], args: Iterable[Any]) -> Command:
    """A call of a registered script. redis-py's own way asks the server at each pipeline which scripts it has."""
    return Command(("EVALSHA", script.sha, len(keys), *keys, *args), script)


def execute(client: redis.Redis, commands: Sequence[Command], *, at_once: bool = False) -> list[Any]:
    """Runs commands in their order, in one round trip; returns their answers.

    With `at_once` no other client's commands come between them. They are run once more from the first when the server
    did not know a script, so all but the scripts must be harmless to repeat, and the scripts be the same one.

    Raises:
      redis.RedisError: When Redis does not answer, and any of them may have been run; or the first error among them.
    """
    answers = _send(client, commands, at_once)
    if forgotten := _forgotten(answers):
        for source in _sources(commands[index] for index in forgotten):
            client.script_load(source)
        again = range(len(commands)) if at_once else forgotten
        _replace(answers, again, _send(client, [commands[index] for index in again], at_once))
    return _checked(answers)


async def execute_async(
    client: redis.asyncio.Redis, commands: Sequence[Command], timeout_seconds: float = QUEUE_ANSWER_SECONDS
) -> list[Any]:
    """`execute` in asyncio, without `at_once`; raises what it raises, and OSError."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _execute_async(client, commands)
    except TimeoutError:
        raise redis.TimeoutError(f"no answer within {timeout_seconds:g} s") from None


async def _execute_async(client: redis.asyncio.Redis, commands: Sequence[Command]) -> list[Any]:
    answers = await _send_async(client, commands)
    if forgotten := _forgotten(answers):
        for source in _sources(commands[index] for index in forgotten):
            await client.script_load(source)
        _replace(answers, forgotten, await _send_async(client, [commands[index] for index in forgotten]))
    return _checked(answers)


def _send(client: redis.Redis, commands: Sequence[Command], at_once: bool) -> list[Any]:
    """Written to a connection and read from it: what redis-py's pipeline does around that takes as long as Redis."""
    words = [one.words for one in commands]
    if at_once:
        words = [("MULTI",), *words, ("EXEC",)]
    connection = client.connection_pool.get_connection()
    try:
        connection.send_packed_command(connection.pack_commands(words))
        answers = [_answer(connection) for _ in words]
    except BaseException:
        connection.disconnect()  # answers that were not read must not be taken for those of the next commands
        raise
    finally:
        client.connection_pool.release(connection)
    return _of_transaction(answers) if at_once else answers


async def _send_async(client: redis.asyncio.Redis, commands: Sequence[Command]) -> list[Any]:
    connection: Any = await client.connection_pool.get_connection()
    try:
        await connection.send_packed_command(connection.pack_commands([one.words for one in commands]))
        return [await _answer_async(connection) for _ in commands]
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    finally:
        await client.connection_pool.release(connection)


def _answer(connection: Any) -> Any:
    """What Redis says next, also when it refuses."""
    try:
        return connection.read_response()
    except redis.ResponseError as refusal:
        return refusal


async def _answer_async(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except redis.ResponseError as refusal:
        return refusal


def _of_transaction(answers: list[Any]) -> list[Any]:
    """The answers of the commands between MULTI and EXEC; when one was refused, none was run."""
    return list(_checked(answers)[-1])


def _checked(answers: list[Any]) -> list[Any]:
    for answer in answers:
        if isinstance(answer, redis.RedisError):
            raise answer
    return answers


def _forgotten(answers: Sequence[Any]) -> list[int]:
    """Which commands called a script that the server does not know."""
    return [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]


def _sources(commands: Iterable[Command]) -> set[Any]:
    return {one.script.script for one in commands if one.script}


def _replace(answers: list[Any], indexes: Iterable[int], others: Iterable[Any]) -> None:
    for index, answer in zip(indexes, others, strict=True):
        answers[index] = answer
