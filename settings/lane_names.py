"""The names of lanes: `QUEUE.PRIORITY.MODEL`, or a queue's own name for its own list."""

from typing import Literal, NamedTuple, Self, get_args

Priority = Literal["high", "normal", "low"]

#: The priorities that have lists of their own, in the order in which they are taken.
PRIORITIES: tuple[Priority, ...] = get_args(Priority)

#: What Dramatiq adds to a list's name for its bodies, its delayed messages and its dead letters. A model whose name
#: ends so has no lane: it would be the hash or the sorted set of another lane, and whoever uses either would fail.
TAKEN_ENDINGS = (".msgs", ".DQ", ".XQ")


class LaneName(NamedTuple):
    """The parts of a lane's name. A queue's own list holds tasks of any model, and counts as normal."""

    queue: str
    priority: Priority = "normal"
    model: str | None = None

    def __str__(self) -> str:
        return self.queue if self.model is None else f"{self.queue}.{self.priority}.{self.model}"

    @classmethod
    def parse(cls, name: str) -> Self:
        """Takes a name apart; what is not a lane's is a queue's."""
        queue, _, rest = name.partition(".")
        wanted, _, model = rest.partition(".")
        for priority in PRIORITIES:
            if wanted == priority and model:
                return cls(queue, priority, model)
        return cls(name)


def lanes_of(queue: str, model: str) -> tuple[str, ...]:
    """The lanes of one model, the one that is taken first at the front."""
    return tuple(str(LaneName(queue, priority, model)) for priority in PRIORITIES)


def lanes_before(lane: str) -> tuple[str, ...]:
    """The lanes of the same model whose tasks go before those of `lane`; none for a queue's own list."""
    queue, priority, model = LaneName.parse(lane)
    if model is None:
        return ()
    return lanes_of(queue, model)[: PRIORITIES.index(priority)]
