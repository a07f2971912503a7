"""What the threads and the screens tell the app."""

from dataclasses import dataclass

from textual.message import Message

from monitor.core.dead_letters import DeadLetter
from monitor.core.snapshot import Snapshot


@dataclass
class SnapshotTaken(Message):
    """A reading has been taken, or has failed."""

    snapshot: Snapshot

    def can_replace(self, message: Message) -> bool:
        """A newer reading makes one that nobody has looked at yet superfluous."""
        return isinstance(message, SnapshotTaken)


@dataclass
class LettersRead(Message):
    """The dead letters have been read."""

    letters: tuple[DeadLetter, ...]
    total: int
    """How many there are, read or not."""


@dataclass
class CopyWanted(Message):
    """Someone wants an id in the clipboard."""

    name: str
