"""The consumer of a queue with lanes: decides at each fetch which model's tasks to take."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dramatiq.message import Message

from actors.context import device_worker
from actors.queueing.claims import Claimant, choose_claim
from actors.queueing.consumer import WakingConsumer
from actors.queueing.lanes import LaneReader, all_lists

if TYPE_CHECKING:
    from actors.queueing.broker import ClusterBroker


class LaneConsumer(WakingConsumer):
    """Takes what the claim policy chooses; acknowledges each message in the lane that it came from."""

    def __init__(self, broker: "ClusterBroker", queue_name: str, prefetch: int, timeout: int) -> None:
        worker = device_worker()
        self._reader = LaneReader(broker.client, queue_name, worker.worker_id if worker else broker.broker_id)
        self._models_in_hand: dict[str, str] = {}
        super().__init__(broker, queue_name, prefetch, timeout)

    def _fetch(self, room: int) -> list[Message[Any]]:
        in_hand = {self._models_in_hand.get(message_id) for message_id in tuple(self.queued_message_ids)}
        models = {*_loaded_models(), *(model for model in in_hand if model)}
        look = self._reader.look(is_free=not self.queued_message_ids, models=models)
        claimant = Claimant(room, bool(self.queued_message_ids), models)
        claim = choose_claim(look.heads, claimant, look.free_others, self.broker.swap_max_wait)
        if claim is None:
            return []
        fetched = self._fetch_from(claim.lane, claim.count)
        self._note_models(fetched)
        return fetched

    def _note_models(self, fetched: Iterable[Message[Any]]) -> None:
        """What the tasks in hand need counts as loaded: it is or soon will be."""
        known = self._models_in_hand.items()
        held = {message_id: model for message_id, model in known if message_id in self.queued_message_ids}
        for message in fetched:
            if isinstance(model := message.kwargs.get("model"), str):
                held[message.message_id] = model
        self._models_in_hand = held

    def _list_of(self, message: Any) -> str:
        lane: str = message.options.get("lane", self.queue_name)
        return lane

    def _lists(self) -> Iterable[str]:
        return all_lists(self.broker.client, self.queue_name)


def _loaded_models() -> set[str]:
    """The names, with and without revision, that tasks may call this process's models by."""
    worker = device_worker()
    loaded = worker.engine.status().models if worker else ()
    return {name for model in loaded for name in (model.key.name, str(model.key))}
