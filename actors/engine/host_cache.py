"""What is kept in host memory within a budget, the least recently used first out. Pure: no device, no threads."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class _Entry(Generic[Kept]):
    kept: Kept
    size: int


class HostCache(Generic[Key, Kept]):
    """Things of known sizes in bytes; their sum never exceeds the budget."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._entries: OrderedDict[Key, _Entry[Kept]] = OrderedDict()

    @property
    def keys(self) -> tuple[Key, ...]:
        """What is kept, least recently used first."""
        return tuple(self._entries)

    @property
    def used_bytes(self) -> int:
        """The sizes of all that is kept."""
        return sum(entry.size for entry in self._entries.values())

    def find(self, key: Key) -> Kept | None:
        """What is kept under a key, which counts as its use."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key].kept

    def fits(self, size: int) -> bool:
        """Whether there can be room for so many bytes, whatever has to go for them."""
        return size <= self.budget_bytes

    def make_room(self, size: int) -> list[Kept]:
        """Takes out what was not used for the longest time, until so many bytes fit."""
        taken = []
        while self._entries and self.used_bytes + size > self.budget_bytes:
            taken.append(self._entries.popitem(last=False)[1].kept)
        return taken

    def keep(self, key: Key, kept: Kept, size: int) -> None:
        """Keeps something, for which there must be room."""
        if self.used_bytes + size > self.budget_bytes:
            raise ValueError(f"{size:,} bytes do not fit beside {self.used_bytes:,} of {self.budget_bytes:,}")
        self._entries[key] = _Entry(kept, size)
