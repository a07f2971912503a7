"""The gateway's side: send a task, wait for its result, read its stream. Brings no torch.

>>> client = Client()
>>> message = client.send("embed", model="sentence-transformers/all-MiniLM-L6-v2", texts=["a text"])
>>> client.result(message, timeout=30).output
[[-0.03, ...]]

`AsyncClient` has the same methods for asyncio; one client carries any number of waits.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cached_property
from typing import Any, Self

import orjson
from dramatiq import Message

from actors import inference  # noqa: F401  # the actors that messages name
from actors.broker import broker as default_broker
from actors.errors import ResultTimeout, UnknownActor, error_named
from actors.payloads import REQUESTS, TaskResult, check_request, check_size
from actors.queueing import deadlines
from actors.queueing import keep_alive as keep_alives
from actors.queueing.blobs import as_json
from actors.queueing.broker import ClusterBroker
from actors.queueing.lanes import DEFAULT_PRIORITY, checked_priority
from actors.queueing.outbox import Outbox
from actors.queueing.reachability import redis_reached
from actors.queueing.result_waiter import ResultWaiter
from actors.queueing.results import result_backend
from actors.queueing.sender import Outcome, Sender
from actors.queueing.stream_reader import StreamReader
from actors.remote_workers import AsyncWorkers, Workers
from settings import keys
from settings.config import Settings, current_settings
from settings.connections import async_queue_client, async_result_client
from settings.explanation import Explanation
from settings.sought_task import SoughtTask
from settings.task_finder import TaskFinder

#: Seconds that `result` and `stream` wait when the caller does not say.
DEFAULT_TIMEOUT_SECONDS = 300.0

#: How long one read of a stream waits, before it is asked whether the task has ended without a word in the stream.
STREAM_BLOCK_MS = 1_000


class _Messages:
    """What both clients share: building and checking messages, reading what comes back."""

    def __init__(self, settings: Settings | None = None, broker: ClusterBroker | None = None) -> None:
        self._settings = settings or current_settings()
        self._broker = broker or default_broker
        self._results = result_backend(self._broker)
        self._sender = Sender(self._broker, self._results.client, self._settings)
        self._finder = TaskFinder(self._broker.client, self._results.client)

    def message(
        self,
        actor: str,
        /,
        *,
        timeout: float | None = None,
        priority: int = DEFAULT_PRIORITY,
        keep_alive: object = None,
        **fields: Any,
    ) -> Message[Any]:
        """Builds a task's message after checking it as the worker will.

        Args:
          actor: What is to be done.
          timeout: Seconds from now within which the result is of use. A task that is late is not begun, or stopped.
          priority: 1 (first) to 10 (last) among what waits.
          keep_alive: How long the model stays in memory after it: seconds, `10m`, `24h`, 0, -1 (until its room is
            needed). Not given, as the last task said, or KEEP_ALIVE.
          fields: The request.

        Raises:
          UnknownActor: When no actor has this name.
          InvalidRequest: When a field is wrong, with its name, value and what is allowed.
        """
        return self._sized_message(actor, timeout, priority, keep_alive, fields)[0]

    def _sized_message(
        self, actor: str, timeout: float | None, priority: int, keep_alive: object, fields: dict[str, Any]
    ) -> tuple[Message[Any], int]:
        """The message, and how many bytes its request takes."""
        options: dict[str, Any] = {"priority": checked_priority(priority)}
        if timeout is not None:
            options[deadlines.OPTION] = deadlines.deadline_ms(timeout, time.time())
        if keep_alive is not None:
            options[keep_alives.OPTION] = keep_alives.keep_alive_option(keep_alive)
        if actor not in REQUESTS:
            raise UnknownActor(f"there is no actor {actor!r}; there are {', '.join(REQUESTS)}")
        size_bytes = check_size(fields, self._settings.max_payload_bytes)
        check_request(actor, fields)
        message: Message[Any] = default_broker.get_actor(actor).message_with_options(kwargs=fields, **options)
        return message, size_bytes

    def _enqueue(self, message: Message[Any], idempotency_key: str | None = None) -> Message[Any]:
        with redis_reached():
            if idempotency_key is None:
                return self._sender.send(message)
            return self._sender.send_once(message, idempotency_key)

    def _explain(self, message: Message[Any]) -> Explanation:
        with redis_reached():
            return self._finder.explain(SoughtTask.from_message(message.asdict()))

    def _put(self, content: object) -> dict[str, Any]:
        with redis_reached():
            return as_json(self._sender.blobs.put(content))

    def _announce_cancel(self, pipe: Any, message: Message[Any]) -> None:
        """Writes it down for a worker that claims the task later, and tells the one that has it."""
        pipe.set(keys.cancelled(message.message_id), b"", ex=self._settings.result_ttl)
        pipe.publish(keys.CANCELS, message.message_id)

    def _key(self, message: Message[Any]) -> str:
        key: str = self._results.build_message_key(message)
        return key

    def _read(self, stored: bytes) -> TaskResult:
        """A stored result, or the error that its task ended with."""
        value = orjson.loads(stored)
        failure = value.get("exn") if isinstance(value, dict) and "__t" in value else None
        if failure:
            raise error_named(failure["type"], failure["msg"])
        return TaskResult.model_validate(value["result"] if "__t" in value else value)


def _no_result(message: Message[Any], timeout: float) -> ResultTimeout:
    return ResultTimeout(f"{message.actor_name} {message.message_id} has no result after {timeout:g} s")


class Client(_Messages):
    """Sends tasks and waits for them in threads. Safe to share between threads."""

    @cached_property
    def workers(self) -> Workers:
        """The workers: what they say about themselves, and what they can be told to do."""
        return Workers(self._broker)

    def send(
        self,
        actor: str,
        /,
        *,
        timeout: float | None = None,
        priority: int = DEFAULT_PRIORITY,
        keep_alive: object = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Message[Any]:
        """Puts a task into the queue; its result is of use within `timeout` seconds, or at any time.

        A `priority` of 1 goes first, one of 10 last. With an `idempotency_key` that the actor was sent before, it sends
        nothing and returns the first message.

        Raises:
          InvalidRequest: When a field is wrong.
          UnknownActor: When no actor has this name.
          InputNotFound: When what a reference names has expired.
          QueueFull: When MAX_QUEUE_DEPTH tasks of this model and priority wait already.
          WouldMissDeadline: When the wait is expected to be longer than `timeout`.
          RedisUnreachable: When Redis does not answer.
        """
        message = self.message(actor, timeout=timeout, priority=priority, keep_alive=keep_alive, **fields)
        return self._enqueue(message, idempotency_key)

    def put(self, content: object) -> dict[str, Any]:
        """Stores a large input for RESULT_TTL and returns the reference that may stand in place of a field's value.

        >>> client.send("embed", model="org/name", texts=client.put(["a text", "and thousands more"]))

        Args:
          content: A text, bytes (a file), or a value that can be written as JSON; at most MAX_BLOB_BYTES.

        Raises:
          InvalidRequest: When it is empty or not JSON.
          RequestTooLarge: When it takes more than MAX_BLOB_BYTES.
          RedisUnreachable: When Redis does not answer.
        """
        return self._put(content)

    def result(self, message: Message[Any], timeout: float = DEFAULT_TIMEOUT_SECONDS) -> TaskResult:
        """Waits up to `timeout` seconds for a task's result; it can be asked for again until it expires.

        Raises:
          PermanentError, TransientError: The error that the task ended with, as its own class.
          ResultTimeout: When it has not ended in time.
          RedisUnreachable: When Redis does not answer.
        """
        with redis_reached():
            stored = self._results.wait(self._key(message), timeout)
        if stored is None:
            raise _no_result(message, timeout)
        return self._read(stored)

    def cancel(self, message: Message[Any]) -> None:
        """Drops a task that waits and stops one that runs; one that has ended keeps its result.

        Whoever waits for it gets `TaskCancelled`.

        Raises:
          RedisUnreachable: When Redis does not answer.
        """
        with redis_reached(), self._results.client.pipeline(transaction=True) as pipe:
            self._announce_cancel(pipe, message)
            pipe.execute()

    def explain(self, message: Message[Any]) -> Explanation:
        """Where a task is, what each worker says to it, and how long it may wait; changes nothing.

        Two round trips to Redis for a task that has ended, at most five for another. One that is tried again, and one
        whose message does not come from `send`, is looked for first: at most 52 more, among the first 10,000 or so
        messages of each list that it may be in.

        Raises:
          RedisUnreachable: When Redis does not answer.
        """
        return self._explain(message)

    def stream(self, message: Message[Any], timeout: float = DEFAULT_TIMEOUT_SECONDS) -> Iterator[str]:
        """Yields the text of a `generate` with `stream=True` as it comes.

        Raises:
          PermanentError, TransientError: The error that the task ended with.
          StreamInterrupted: When the task is tried again after some text has come.
          ResultTimeout: When it has not ended within `timeout` seconds.
          RedisUnreachable: When Redis does not answer.
        """
        reader, key, deadline = StreamReader(), keys.stream(message.message_id), time.monotonic() + timeout
        while not reader.is_ended:
            with redis_reached():
                has_result = self._results.client.exists(self._key(message))
                answer = self._results.client.xread(
                    {key: reader.last_id}, block=None if has_result else STREAM_BLOCK_MS
                )
            yield from reader.pieces(answer)
            if has_result and not answer:
                break  # it ended without a word in the stream: before it began, or in a worker that died
            if time.monotonic() > deadline:
                raise _no_result(message, timeout)
        self.result(message, timeout=max(1.0, deadline - time.monotonic()))


class AsyncClient(_Messages):
    """Sends tasks and waits for them in asyncio; create it in the event loop that uses it, with `async with`.

    Its waits share two connections however many there are.
    """

    def __init__(self, settings: Settings | None = None, broker: ClusterBroker | None = None) -> None:
        super().__init__(settings, broker)
        self._queues, self._redis = async_queue_client(self._settings), async_result_client(self._settings)
        self._waiter = ResultWaiter(self._redis)
        self._outbox = Outbox(self._send_all)

    @cached_property
    def workers(self) -> AsyncWorkers:
        """As `Client.workers`, awaited."""
        return AsyncWorkers(self._broker)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._outbox.close()
        await self._waiter.close()
        await self._redis.aclose()
        await self._queues.aclose()

    async def send(
        self,
        actor: str,
        /,
        *,
        timeout: float | None = None,
        priority: int = DEFAULT_PRIORITY,
        keep_alive: object = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Message[Any]:
        """Puts a task into the queue; raises what `Client.send` raises. The broker's hooks are called in the loop."""
        message, size_bytes = self._sized_message(actor, timeout, priority, keep_alive, fields)
        message.options["reply_to"] = self._waiter.reply_to  # nobody else has the message yet
        await self._expect(message)
        if idempotency_key is None:
            return await self._outbox.send(message, size_bytes)
        return await asyncio.to_thread(self._enqueue, message, idempotency_key)

    async def _send_all(self, messages: Sequence[Message[Any]]) -> Sequence[Outcome]:
        with redis_reached(OSError):
            return await self._sender.send_all(self._queues, messages)

    async def _expect(self, message: Message[Any]) -> None:
        with redis_reached(OSError):
            await self._waiter.expect(self._key(message))

    async def put(self, content: object) -> dict[str, Any]:
        """Stores a large input; raises what `Client.put` raises."""
        return await asyncio.to_thread(self._put, content)

    async def result(self, message: Message[Any], timeout: float = DEFAULT_TIMEOUT_SECONDS) -> TaskResult:
        """Waits for a task's result; raises what `Client.result` raises."""
        with redis_reached(OSError):
            stored = await self._waiter.wait(self._key(message), timeout)
        if stored is None:
            raise _no_result(message, timeout)
        return self._read(stored)

    async def cancel(self, message: Message[Any]) -> None:
        """Drops or stops a task; raises what `Client.cancel` raises."""
        with redis_reached():
            async with self._redis.pipeline(transaction=True) as pipe:
                self._announce_cancel(pipe, message)
                await pipe.execute()

    async def explain(self, message: Message[Any]) -> Explanation:
        """Where a task is and why; raises what `Client.explain` raises."""
        return await asyncio.to_thread(self._explain, message)

    async def stream(self, message: Message[Any], timeout: float = DEFAULT_TIMEOUT_SECONDS) -> AsyncIterator[str]:
        """Yields the text as it comes; raises what `Client.stream` raises."""
        reader, key, deadline = StreamReader(), keys.stream(message.message_id), time.monotonic() + timeout
        while not reader.is_ended:
            with redis_reached():
                has_result = await self._redis.exists(self._key(message))
                answer = await self._redis.xread({key: reader.last_id}, block=None if has_result else STREAM_BLOCK_MS)
            for piece in reader.pieces(answer):
                yield piece
            if has_result and not answer:
                break
            if time.monotonic() > deadline:
                raise _no_result(message, timeout)
        await self.result(message, timeout=max(1.0, deadline - time.monotonic()))
