"""A message as Dramatiq's hooks know it, quick to ask."""

from typing import Any

from dramatiq import Message, MessageProxy


class ClaimedMessage(MessageProxy):
    """Has the message's fields itself: Dramatiq's passes each question on, and a task is asked fifty times."""

    def __init__(self, message: Message[Any]) -> None:
        super().__init__(message)
        self.__dict__.update(vars(message))
