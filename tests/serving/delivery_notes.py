"""What tasks in hand ask of the delivery limit, where a test says itself which tasks are suspected."""

from collections.abc import Sequence
from typing import Any

import redis

from actors.queueing.commands import Command, execute


class DeliveryNotes:
    """Counts nothing; whoever is in `suspected` is so until it is noted alone."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self.suspected: set[str] = set()
        """Message ids."""

    def note_all(self, messages: Sequence[Any], questions: Sequence[Command], *, alone: bool) -> Sequence[Any]:
        if alone:
            self.suspected -= {message.message_id for message in messages}
        return execute(self._client, questions)

    def is_suspect(self, message: Any) -> bool:
        return message.message_id in self.suspected
