"""The inference tasks of one process between their claim and their acknowledgement, many in one round trip.

A thread for each task, as Dramatiq has them, costs three switches and five round trips a task. Here a starter thread
begins what was claimed together, and one finisher thread settles what has ended in the meantime: its hooks run one
after another, its results are stored in one round trip and acknowledged in another.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import redis
from dramatiq import Message, MessageProxy
from dramatiq.middleware import SkipMessage

from actors.errors import DeviceLost, PermanentError, WorkerStopping
from actors.payloads import REQUESTS
from actors.queueing.broker import ClusterBroker
from actors.queueing.cancellations import Cancellations
from actors.queueing.commands import Command
from actors.queueing.lanes import list_of
from actors.queueing.patience import until_redis_answers
from actors.queueing.results import ClaimState, ResultBackend, result_backend
from actors.serving.claimed_message import ClaimedMessage
from actors.serving.crew import Crew
from actors.serving.inference_task import InferenceTask, Surroundings
from actors.serving.suspects import Suspects
from settings import keys

logger = logging.getLogger(__name__)

#: Threads that begin tasks; more than one, because a model store that is slow holds up whoever asks it for a moment.
STARTERS = 4

#: Threads that begin tasks whose inputs have to be fetched, so that no other task waits for these; as many for those
#: whose inputs are files, because a shared folder may hang.
FETCHERS = 4

#: How often tasks are looked at whose time may be over.
TICK_SECONDS = 0.1


class DeliveryNotes(Protocol):
    """What counts deliveries; implemented by `actors.middleware.delivery_limit.DeliveryLimit`."""

    def note_all(self, messages: Sequence[Any], questions: Sequence[Command], *, alone: bool) -> Sequence[Any]:
        """Notes one of each message before its hook asks for it, and answers `questions` in the same round trip.

        What is suspected of ending processes is not noted unless it is to be run with nothing beside it.

        Raises:
          redis.RedisError: When Redis does not answer.
        """

    def is_suspect(self, message: Any) -> bool:
        """Whether it was left out for that; told once."""


class TasksInHand:
    """Takes claimed messages from the consumer's thread and sees to them until they are acknowledged."""

    def __init__(
        self, broker: ClusterBroker, surroundings: Surroundings, cancellations: Cancellations, notes: DeliveryNotes
    ) -> None:
        self._broker, self._surroundings = broker, surroundings
        self._cancellations, self._notes = cancellations, notes
        self._results: ResultBackend = result_backend(broker)
        self._changed = threading.Condition()
        self._in_hand: set[InferenceTask] = set()
        self._suspects = Suspects()
        self._is_stopping = False
        self._ended: SimpleQueue[InferenceTask | None] = SimpleQueue()
        self._next_tick_at = 0.0
        self._starters = ThreadPoolExecutor(STARTERS, thread_name_prefix="starter")
        self._fetchers, self._readers = Crew(FETCHERS, "fetcher"), Crew(FETCHERS, "reader")
        self._finisher = threading.Thread(target=self._finish_until_stopped, name="finisher", daemon=True)
        self._finisher.start()

    def __len__(self) -> int:
        return len(self._in_hand)

    @property
    def takes_none(self) -> bool:
        """Whether what is claimed now would have to be given back."""
        return self._is_stopping or self._suspects.want_the_process

    @property
    def models(self) -> set[str]:
        """What the tasks in hand need: it is loaded or soon will be."""
        with self._changed:
            return {task.model for task in self._in_hand if task.model}

    @staticmethod
    def runs(message: Message[Any] | MessageProxy) -> bool:
        """Whether a message is an inference task; all others are run by Dramatiq's own threads."""
        return message.queue_name == keys.INFERENCE_QUEUE and message.actor_name in REQUESTS

    def take(self, messages: Iterable[Message[Any]]) -> bool:
        """Begins tasks that were claimed; False when it takes none and they have to be given back."""
        tasks = [InferenceTask(ClaimedMessage(message), self._surroundings) for message in messages]
        with self._changed:
            if self.takes_none:
                return False
            self._in_hand.update(tasks)
            self._starters.submit(self._begin_all, tasks)
        return True

    def stop(self, timeout_seconds: float) -> None:
        """Takes no more, and waits for what was begun, but not for ever; the rest goes back as the process ends."""
        with self._changed:
            self._is_stopping = True
            self._changed.wait_for(lambda: len(self._in_hand) == len(self._suspects), timeout_seconds)
        self._starters.shutdown(wait=False, cancel_futures=True)
        self._fetchers.stop()
        self._readers.stop()
        self._ended.put(None)
        self._finisher.join(timeout_seconds)

    # What follows runs in a starter thread.

    def _begin_all(self, tasks: Sequence[InferenceTask], *, alone: bool = False) -> None:
        try:
            # Listened for before it is looked for, so that no cancelling falls between.
            self._cancellations.add(task.cancellation for task in tasks)
            states = self._states_of(tasks, alone)
        except Exception as error:
            logger.exception("%d task(s) cannot be begun.", len(tasks))
            for task in tasks:
                self._refuse(task, error)
            return
        complete, suspects = [], []
        for task, state in zip(tasks, states, strict=True):
            if self._notes.is_suspect(task.message) and not state.is_over:
                suspects.append(task)
            elif task.fetches_inputs:
                crew = self._readers if task.reads_files else self._fetchers
                crew.submit(partial(self._begin, [(task, state)]))
            else:
                complete.append((task, state))
        self._begin(complete)
        if suspects:
            self._set_aside(suspects)

    def _set_aside(self, suspects: Sequence[InferenceTask]) -> None:
        logger.warning(
            "%d task(s) were in hand as processes ended, and are run one by one with nothing beside them: %s.",
            len(suspects),
            ", ".join(task.message.message_id for task in suspects),
        )
        for task in suspects:
            task.set_aside(partial(self._ended.put, task))
        with self._changed:
            self._suspects.add(task for task in suspects if task in self._in_hand)  # some may have expired
            self._begin_next_suspect()
            self._changed.notify_all()

    def _states_of(self, tasks: Sequence[InferenceTask], alone: bool) -> Sequence[ClaimState]:
        """They are to be run when Redis is away or full, or one task's key is not what it should be."""
        messages = [task.message for task in tasks]
        try:
            return self._results.claim_states(messages, partial(self._notes.note_all, messages, alone=alone))
        except redis.RedisError as error:
            logger.warning("Whether %d task(s) are still to be run is not known: %s", len(tasks), error)
            self._cancellations.look_again()
            return [ClaimState(has_result=False, is_cancelled=False)] * len(tasks)

    def _begin(self, claimed: Iterable[tuple[InferenceTask, ClaimState]]) -> None:
        """Hands tasks to the engine together, so that they may share a batch; a fetcher does so for one with inputs."""
        jobs = []
        for task, state in claimed:
            if task.is_refused:
                continue
            try:
                self._broker.emit_before("process_message", task.message)
                if job := task.begin(state, partial(self._ended.put, task)):
                    jobs.append(job)
            except BaseException as error:  # noqa: BLE001  # the finisher settles it, whatever it is
                self._refuse(task, error)
        self._surroundings.engine.submit(jobs)

    def _refuse(self, task: InferenceTask, error: BaseException) -> None:
        task.refuse(error, partial(self._ended.put, task))

    # What follows runs in the finisher thread.

    def _finish_until_stopped(self) -> None:
        while (ended := self._next_ended()) is not None:
            try:
                self._finish(ended)
            except Exception:
                logger.exception("%d task(s) cannot be settled; their messages are given back.", len(ended))
                self._give_back(ended)
            self._forget(ended)

    def _next_ended(self) -> list[InferenceTask] | None:
        """All that have ended by now, none after a tick; None when the process stops."""
        ended: list[InferenceTask] = []
        with suppress(Empty):
            while (task := self._ended.get(timeout=0 if ended else TICK_SECONDS)) is not None:
                ended.append(task)
            if not ended:
                return None
            self._ended.put(None)  # met behind tasks, it is met once more
        self._expire()
        return ended

    def _expire(self) -> None:
        if (now := time.monotonic()) < self._next_tick_at:
            return
        self._next_tick_at = now + TICK_SECONDS
        with self._changed:
            in_hand = tuple(self._in_hand)
        for task in in_hand:
            task.expire(partial(self._ended.put, task))

    def _finish(self, tasks: Sequence[InferenceTask]) -> None:
        """Results first, so that a process that dies between leaves tasks that have theirs and are not run again."""
        with self._results.together():
            for task in tasks:
                self._settle(task)
            for task in tasks:
                self._broker.emit_before("nack" if task.message.failed else "ack", task.message)
        self._acknowledge([task.message for task in tasks])
        with self._results.together():
            for task in tasks:
                self._broker.emit_after("nack" if task.message.failed else "ack", task.message)

    def _settle(self, task: InferenceTask) -> None:
        """What Dramatiq's worker threads do when an actor has returned or raised."""
        message = task.message
        try:
            result = task.result()
        except SkipMessage as skipped:
            if message.failed:
                message.stuff_exception(skipped)
            logger.warning("%s %s was skipped.", message.actor_name, message.message_id)
            self._broker.emit_after("skip_message", message)
        except BaseException as error:  # noqa: BLE001  # whatever it is, the hooks see to it
            message.stuff_exception(error)
            _log_failure(message, error)
            self._broker.emit_after("process_message", message, exception=error)
        else:
            self._broker.emit_after("process_message", message, result=result)

    def _acknowledge(self, messages: Collection[MessageProxy]) -> None:
        ended = [(list_of(message), message) for message in messages]
        until_redis_answers(lambda: self._broker.settle(ended), f"The acknowledgement of {len(ended)} task(s)")

    def _give_back(self, tasks: Sequence[InferenceTask]) -> None:
        """What was acknowledged before stays away; what Redis does not take is found when this process ends."""
        with suppress(redis.RedisError):
            for task in tasks:
                self._broker.do_requeue(list_of(task.message), task.message.options["redis_message_id"])

    def _forget(self, tasks: Sequence[InferenceTask]) -> None:
        if not tasks:
            return
        self._cancellations.discard(task.cancellation for task in tasks)
        for task in tasks:
            self._broker.held_ids(keys.INFERENCE_QUEUE).discard(task.message.options["redis_message_id"])
            task.message.clear_exception()
        with self._changed:
            self._in_hand.difference_update(tasks)
            self._suspects.discard(tasks)
            self._begin_next_suspect()
            self._changed.notify_all()
        self._broker.doorbell.event(keys.INFERENCE_QUEUE).set()

    def _begin_next_suspect(self) -> None:
        """Called with `_changed` held, by this thread and those that begin tasks.

        The device may still compute what has ended for its caller, and end this process with that.
        """
        if self._is_stopping or not self._suspects.may_begin(len(self._in_hand)):
            return
        with suppress(WorkerStopping, DeviceLost):  # it goes back as this process ends
            device_is_free = self._surroundings.engine.between_batches(lambda _: None)
            suspect = self._suspects.take_next()
            device_is_free.add_done_callback(lambda _: self._starters.submit(self._begin_alone, suspect))

    def _begin_alone(self, suspect: InferenceTask) -> None:
        """In a starter thread."""
        if not suspect.is_refused:
            suspect.take_up()
            self._begin_all([suspect], alone=True)


def _log_failure(message: MessageProxy, error: BaseException) -> None:
    name, message_id = message.actor_name, message.message_id
    if isinstance(error, PermanentError):
        logger.info("%s %s failed: %s.", name, message_id, type(error).__name__)
    else:
        logger.error("%s %s failed.", name, message_id, exc_info=error)
