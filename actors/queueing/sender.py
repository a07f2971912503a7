"""Enqueues what clients send, unless it is refused: for an input that is gone, a full lane, or a wait too long."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

import redis
import redis.asyncio
from dramatiq import Message

from actors.payloads import BlobReference, references_in
from actors.queueing.admission import Admission
from actors.queueing.blobs import Blobs
from actors.queueing.broker import ClusterBroker
from actors.queueing.exchange import Exchange, run, run_async
from actors.queueing.sent_once import SentOnce
from settings.config import Settings

#: A message as it was enqueued, or why it was not.
Outcome = Message[Any] | Exception


class Sender:
    """One for each client. Safe to share between threads."""

    def __init__(self, broker: ClusterBroker, results: redis.Redis, settings: Settings) -> None:
        self._broker, self._max_depth = broker, settings.max_queue_depth
        self._admission = Admission(broker.client, self._max_depth)
        self.blobs = Blobs(results, settings.max_blob_bytes, settings.result_ttl)
        self._sent_once = SentOnce(results, settings.result_ttl)

    def send(self, message: Message[Any]) -> Message[Any]:
        """Returns the message as it was enqueued.

        Raises:
          CallerError: Why it was refused.
          redis.RedisError: When Redis does not answer; it may have been enqueued.
        """
        self._check_inputs(message)
        return self._enqueue(message)

    def send_once(self, message: Message[Any], idempotency_key: str) -> Message[Any]:
        """Returns the first message that was sent with the key; raises what `send` raises.

        A resend is never refused. What is refused has not had its key, but where another took the last place meanwhile.
        """
        if first := self._sent_once.first(message.actor_name, idempotency_key):
            return first
        self._check_inputs(message)
        (refusal,) = run(self._broker.client, self._admission.refusals([message], time.time(), of_all=True))
        if refusal:
            raise refusal
        return self._sent_once.send(message, idempotency_key, self._enqueue)

    async def send_all(self, queues: redis.asyncio.Redis, messages: Sequence[Message[Any]]) -> list[Outcome]:
        """Enqueues messages together from an event loop; raises redis.RedisError and OSError."""
        faults: Sequence[Exception | None] = [None] * len(messages)
        if any(map(_blobs_of, messages)):
            faults = await asyncio.to_thread(self._input_faults, messages)
        return await run_async(queues, self._exchange(messages, faults))

    def _enqueue(self, message: Message[Any]) -> Message[Any]:
        (outcome,) = run(self._broker.client, self._exchange([message], [None]))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _exchange(
        self, messages: Sequence[Message[Any]], faults: Iterable[Exception | None]
    ) -> Exchange[list[Outcome]]:
        outcomes: list[Outcome | None] = list(faults)
        _fill(outcomes, (yield from self._admission.refusals(_undecided(messages, outcomes), time.time())))
        _fill(outcomes, (yield from self._broker.sending(_undecided(messages, outcomes), self._max_depth)))
        _fill(outcomes, (yield from self._admission.refusals_of_full(_undecided(messages, outcomes))))
        return [outcome for outcome in outcomes if outcome]

    def _check_inputs(self, message: Message[Any]) -> None:
        if fault := self._input_faults([message])[0]:
            raise fault

    def _input_faults(self, messages: Sequence[Message[Any]]) -> list[Exception | None]:
        """What is wrong with inputs that are not in the messages; those that are there are kept for longer."""
        named = [_blobs_of(message) for message in messages]
        faults = self.blobs.renew([reference for references in named for reference in references])
        return [
            next((faults[each.digest] for each in references if each.digest in faults), None) for references in named
        ]


def _undecided(messages: Iterable[Message[Any]], outcomes: Iterable[Outcome | None]) -> list[Message[Any]]:
    """The messages that have no outcome yet."""
    return [message for message, outcome in zip(messages, outcomes, strict=True) if outcome is None]


def _fill(outcomes: list[Outcome | None], found: Iterable[Outcome | None]) -> None:
    """Notes what was found about these."""
    places = [place for place, outcome in enumerate(outcomes) if outcome is None]
    for place, outcome in zip(places, found, strict=True):
        outcomes[place] = outcome


def _blobs_of(message: Message[Any]) -> list[BlobReference]:
    references = references_in(message.actor_name, message.kwargs).values()
    return [reference for reference in references if isinstance(reference, BlobReference)]
