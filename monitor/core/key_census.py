"""The keys of a database by kind, counted a part at each reading: nobody waits for it, however many there are."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

from monitor.core.server_view import KeyKind
from settings import keys

#: About so many keys are counted at each reading.
STEP = 1_000

#: Of so many of them the memory is measured.
MEASURED = 20

#: What the keys of a kind begin with.
_PREFIXES = {
    keys.worker(""): "worker records",
    keys.deliveries(""): "deliveries",
    keys.brokers(""): "processes of hosts",
    keys.service(""): "service times",
    keys.footprint(""): "footprints",
    keys.deaths(""): "deaths",
    keys.quarantine(""): "quarantines",
    keys.HEALTH: "health",
    keys.stream(""): "streams",
    keys.cancelled(""): "cancelled",
    keys.blob(""): "inputs",
    "cm:idempotency:": "idempotency",
    f"{keys.RESULTS_NAMESPACE}:": "results",
    "cm:": "cluster's other keys",
    keys.acks("", "")[:-1]: "in hand of processes",
    keys.HEARTBEATS: "heartbeats",
}

#: What Dramatiq's own keys end with.
_SUFFIXES = {
    keys.dead_bodies(""): "dead letters",
    keys.dead(""): "dead letters' times",
    keys.delayed_bodies(""): "delayed messages",
    keys.bodies(""): "messages",
}


class KeyCensus:
    """Walks through a database again and again; after the first time its figures are those of the last walk."""

    def __init__(self) -> None:
        self._cursor = 0
        self._walked: Counter[str] = Counter()
        self._last: Counter[str] | None = None
        self._measured: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._asked: list[bytes] = []

    def ask_keys(self, pipe: Any) -> None:
        """Adds to a pipeline the next part of the walk."""
        pipe.scan(self._cursor, count=STEP)

    def take_keys(self, answer: Any) -> None:
        """Counts what came."""
        self._asked = []
        if not isinstance(answer, Sequence):
            return
        self._cursor, names = int(answer[0]), answer[1]
        self._walked.update(map(kind_of, names))
        # The keys come in no order that says anything of their size.
        self._asked = list(islice(names, 0, None, max(1, len(names) // MEASURED)))[:MEASURED]
        if self._cursor == 0:
            self._last, self._walked = self._walked, Counter()

    def ask_sizes(self, pipe: Any) -> None:
        """Adds to a pipeline the measuring of some of the keys that came."""
        for name in self._asked:
            pipe.memory_usage(name)

    def take_sizes(self, answers: Sequence[Any]) -> None:
        """Takes the sizes in; a key that has gone has none."""
        for name, size in zip(self._asked, answers, strict=True):
            if isinstance(size, int):
                self._measured[kind_of(name)] += 1
                self._bytes[kind_of(name)] += size

    def kinds(self) -> tuple[KeyKind, ...]:
        """Each kind, those with the most memory first."""
        counts = self._walked if self._last is None else self._last
        found = (KeyKind(name, count, self._estimate(name, count)) for name, count in counts.items())
        return tuple(sorted(found, key=lambda kind: (-(kind.bytes or 0), kind.name)))

    def counted_percent(self, keys_there: int | None) -> int | None:
        """How much of the first walk is done."""
        if self._last is not None:
            return 100
        return min(99, 100 * self._walked.total() // keys_there) if keys_there else None

    def _estimate(self, name: str, count: int) -> int | None:
        measured = self._measured[name]
        return count * self._bytes[name] // measured if measured else None


def kind_of(name: bytes) -> str:
    """What a key is for."""
    text = name.decode(errors="replace")
    for prefix, kind in _PREFIXES.items():
        if text.startswith(prefix):
            return kind
    if text.startswith(f"{keys.DRAMATIQ_NAMESPACE}:"):
        suffixes = (kind for key, kind in _SUFFIXES.items() if text.endswith(key.removeprefix(keys.ready(""))))
        return next(suffixes, "lists of messages")
    return "others' keys"
