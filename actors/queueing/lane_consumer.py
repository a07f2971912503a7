"""The consumer of a queue with lanes: decides at each fetch which model's tasks to take."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dramatiq.message import Message

from actors.context import device_worker
from actors.queueing.claims import Claimant, choose_claim, next_model
from actors.queueing.consumer import WakingConsumer
from actors.queueing.lanes import LaneReader, all_lists, list_of

if TYPE_CHECKING:
    from actors.queueing.broker import ClusterBroker

#: Between two looks at all lanes while they are empty and nothing rings: a free worker says so again, within the
#: `FREE_SECONDS` for which others believe it.
LOOK_SECONDS = 3.0


class LaneConsumer(WakingConsumer):
    """Takes what the claim policy chooses; acknowledges each message in the lane that it came from.

    In a process with a device, inference tasks go to its `TasksInHand`, all others to Dramatiq's worker threads.
    """

    idle_look_ms = 1_000
    """More often than other queues: plain Dramatiq sends tasks without a ring."""

    def __init__(self, broker: "ClusterBroker", queue_name: str, prefetch: int, timeout: int) -> None:
        self._worker = device_worker()
        worker_id = self._worker.worker_id if self._worker else broker.broker_id
        self._reader = LaneReader(broker.client, queue_name, broker.broker_id, worker_id)
        self._models_in_threads: dict[str, str] = {}
        self._has_left_some, self._look_again_at = False, 0.0
        super().__init__(broker, queue_name, prefetch, timeout)

    @property
    def outstanding_message_count(self) -> int:
        in_threads: int = super().outstanding_message_count
        return in_threads + (len(self._worker.tasks) if self._worker else 0)

    def _has_arrivals(self) -> bool:
        """What plain Dramatiq sends is in the queue's own list; a lost ring for a lane costs up to `LOOK_SECONDS`."""
        return self._has_left_some or time.monotonic() >= self._look_again_at or super()._has_arrivals()

    def _fetch(self, room: int) -> list[Message[Any]]:
        if self.broker.restraint.takes_none or (self._worker and self._worker.tasks.takes_none):
            return []
        is_busy, models = self.outstanding_message_count > 0, self._models()
        shunned = self.broker.restraint.shunned()
        look = self._reader.look(not is_busy, models - shunned, room)
        self._has_left_some, self._look_again_at = bool(look.heads), time.monotonic() + LOOK_SECONDS
        if look.heads:
            self.misses = 0  # what is left to a free worker is looked at again soon
        if look.taken:
            if len(look.taken) < look.heads[0].depth:
                self._arrival.set()
            return self._hand_over(self._received(look.heads[0].lane, look.taken))
        claimant = Claimant(room, is_busy, models, shunned)
        if self._worker and is_busy and (expected := next_model(look.heads, claimant, look.free_others)):
            self._worker.engine.expect(expected)
        if not (claim := choose_claim(look.heads, claimant, look.free_others, self.broker.swap_max_wait)):
            return []
        self._arrival.set()  # there may be more
        return self._hand_over(self._fetch_from(claim.lane, claim.count))

    def _hand_over(self, fetched: list[Message[Any]]) -> list[Message[Any]]:
        """Gives the inference tasks to their own threads and returns the rest."""
        if (worker := self._worker) is None:
            return self._note_models(fetched)
        tasks = [message for message in fetched if worker.tasks.runs(message)]
        if tasks and not worker.tasks.take(tasks):
            self.requeue(tasks)
        return self._note_models([message for message in fetched if not worker.tasks.runs(message)])

    def _note_models(self, messages: list[Message[Any]]) -> list[Message[Any]]:
        """Remembers what Dramatiq's threads are about to be given."""
        in_threads = {key: self._models_in_threads.get(key) for key in tuple(self.queued_message_ids)}
        new = {message.message_id: message.kwargs.get("model") for message in messages}
        noted = {**in_threads, **new}.items()
        self._models_in_threads = {message_id: model for message_id, model in noted if isinstance(model, str)}
        return messages

    def _models(self) -> set[str]:
        """What counts as loaded: the names, with and without revision, of what is, and what the tasks in hand need."""
        in_threads = {model for key, model in self._models_in_threads.items() if key in self.queued_message_ids}
        if self._worker is None:
            return in_threads
        loaded = self._worker.engine.status().models
        names = {name for model in loaded for name in (model.key.name, str(model.key))}
        return names | self._worker.tasks.models | in_threads

    def _list_of(self, message: Any) -> str:
        return list_of(message)

    def _lists(self) -> Iterable[str]:
        return all_lists(self.broker.client, self.queue_name)
