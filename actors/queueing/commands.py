"""Several commands in one round trip, Lua scripts among them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.commands.core import Script
from redis.exceptions import NoScriptError


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
    forgotten = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if forgotten:
        _load(client, [commands[index] for index in forgotten])
        again = range(len(commands)) if at_once else forgotten
        for index, answer in zip(again, _send(client, [commands[index] for index in again], at_once), strict=True):
            answers[index] = answer
    for answer in answers:
        if isinstance(answer, redis.RedisError):
            raise answer
    return answers


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


def _answer(connection: Any) -> Any:
    """What Redis says next, also when it refuses."""
    try:
        return connection.read_response()
    except redis.ResponseError as refusal:
        return refusal


def _of_transaction(answers: Sequence[Any]) -> list[Any]:
    """The answers of the commands between MULTI and EXEC; when one was refused, none was run."""
    for answer in answers:
        if isinstance(answer, redis.RedisError):
            raise answer
    return list(answers[-1])


def _load(client: redis.Redis, commands: Iterable[Command]) -> None:
    for source in {one.script.script for one in commands if one.script}:
        client.script_load(source)
