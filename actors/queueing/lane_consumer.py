"""The consumer of a queue with lanes: decides at each fetch which model's tasks to take."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dramatiq.message import Message

from actors.context import DeviceWorker, device_worker
from actors.queueing.claims import Claimant, choose_claim
from actors.queueing.consumer import WakingConsumer
from actors.queueing.lanes import LaneReader, all_lists, list_of

if TYPE_CHECKING:
    from actors.queueing.broker import ClusterBroker


class LaneConsumer(WakingConsumer):
    """Takes what the claim policy chooses; acknowledges each message in the lane that it came from.

    In a process with a device, inference tasks go to its `TasksInHand`, all others to Dramatiq's worker threads.
    """

    def __init__(self, broker: "ClusterBroker", queue_name: str, prefetch: int, timeout: int) -> None:
        self._worker = device_worker()
        self._reader = LaneReader(
            broker.client, queue_name, self._worker.worker_id if self._worker else broker.broker_id
        )
        super().__init__(broker, queue_name, prefetch, timeout)

    @property
    def outstanding_message_count(self) -> int:
        own: int = super().outstanding_message_count
        return own + (len(self._worker.tasks) if self._worker else 0)

    def _fetch(self, room: int) -> list[Message[Any]]:
        is_busy = self.outstanding_message_count > 0
        models = _models_of(self._worker) if self._worker else set()
        look = self._reader.look(is_free=not is_busy, models=models)
        claim = choose_claim(look.heads, Claimant(room, is_busy, models), look.free_others, self.broker.swap_max_wait)
        fetched = self._fetch_from(claim.lane, claim.count) if claim else []
        return self._hand_over(fetched, self._worker) if fetched and self._worker else fetched

    def _hand_over(self, fetched: list[Message[Any]], worker: DeviceWorker) -> list[Message[Any]]:
        """Gives the inference tasks to their own threads and returns the rest."""
        tasks = [message for message in fetched if worker.tasks.runs(message)]
        if tasks:
            self._arrival.set()  # there may be more
            if not worker.tasks.take(tasks):
                self.requeue(tasks)
        return [message for message in fetched if not worker.tasks.runs(message)]

    def _list_of(self, message: Any) -> str:
        return list_of(message)

    def _lists(self) -> Iterable[str]:
        return all_lists(self.broker.client, self.queue_name)


def _models_of(worker: DeviceWorker) -> set[str]:
    """The names, with and without revision, that tasks may call the models by that this process holds or will load."""
    loaded = {name for model in worker.engine.status().models for name in (model.key.name, str(model.key))}
    return loaded | worker.tasks.models
