"""Which lane a worker takes tasks from, and how many: a pure function of what is waiting and who is free.

The rules, in their order:

1. A lane whose oldest task has waited SWAP_MAX_WAIT for a model that no free worker holds goes first: it is overdue.
2. Else lanes of models that this worker holds, and tasks without a model: a model is drained before it is swapped.
3. Else, with nothing in hand, the lane of another model, unless a free worker holds that model and will take it.

Among several, the higher priority goes first, and age raises priority, so that low never starves; then the older task.
A model that has just failed here in a passing way is left to other workers while its tasks are young. They are taken
after all when nobody has, so that they do not starve where this is the only worker.

From the chosen lane a worker takes no more than its fair share while others are free, and with tasks in hand it leaves
the rest to them for a moment.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

#: Seconds of waiting that raise a task by one priority.
AGEING_SECONDS = 30.0

#: A free worker takes what is meant for it within milliseconds; after this it is taken for busy after all.
GRACE_SECONDS = 0.25

#: So long tasks wait for another worker than the one that has just failed with their model.
SHUNNED_SECONDS = 5.0


@dataclass(frozen=True)
class LaneHead:
    """A list with waiting tasks."""

    lane: str
    model: str | None
    """None for tasks that need no model, and for those that plain Dramatiq sent."""
    priority: int
    """0 is high, 1 normal, 2 low."""
    age_seconds: float
    """How long its oldest task has waited."""
    depth: int


@dataclass(frozen=True)
class Claimant:
    """The worker that asks."""

    room: int
    """How many more tasks it takes."""
    is_busy: bool
    """Whether it has tasks in hand."""
    models: Collection[str]
    """What it holds, or is about to load for the tasks in hand."""
    shunned: Collection[str] = ()
    """What has just failed here, and may go well elsewhere."""


@dataclass(frozen=True)
class Claim:
    """Take up to `count` tasks from a lane."""

    lane: str
    count: int


def choose_claim(
    heads: Sequence[LaneHead], claimant: Claimant, free_others: Sequence[Collection[str]], swap_max_wait: float
) -> Claim | None:
    """The claimant's next claim; `free_others` has the models of each other worker that has nothing in hand."""
    if claimant.room < 1:
        return None
    heads = [head for head in heads if not _is_left_to_others(head, claimant)]
    overdue = [head for head in heads if _is_overdue(head, claimant, free_others, swap_max_wait)]
    held = [head for head in heads if head.model is None or head.model in claimant.models]
    if claimant.is_busy and free_others:
        held = [head for head in held if head.age_seconds >= GRACE_SECONDS]
    others = [] if claimant.is_busy else [head for head in heads if not _will_be_taken(head, free_others)]
    if not (candidates := overdue or held or others):
        return None
    head = min(candidates, key=_turn)
    return Claim(head.lane, min(claimant.room, math.ceil(head.depth / (1 + len(free_others)))))


def next_model(heads: Sequence[LaneHead], claimant: Claimant, free_others: Sequence[Collection[str]]) -> str | None:
    """The model that this worker will probably have to load next: whose turn it is among those that nobody holds."""
    strangers = [
        head
        for head in heads
        if head.model is not None
        and head.model not in claimant.models
        and not _is_held(head.model, free_others)
        and not _is_left_to_others(head, claimant)
    ]
    return min(strangers, key=_turn).model if strangers else None


def _is_overdue(
    head: LaneHead, claimant: Claimant, free_others: Sequence[Collection[str]], swap_max_wait: float
) -> bool:
    if head.model is None or head.model in claimant.models or head.age_seconds < swap_max_wait:
        return False
    return not _is_held(head.model, free_others) or head.age_seconds >= swap_max_wait + GRACE_SECONDS


def _is_left_to_others(head: LaneHead, claimant: Claimant) -> bool:
    return head.model in claimant.shunned and head.age_seconds < SHUNNED_SECONDS


def _will_be_taken(head: LaneHead, free_others: Sequence[Collection[str]]) -> bool:
    return head.model is not None and _is_held(head.model, free_others) and head.age_seconds < GRACE_SECONDS


def _is_held(model: str, free_others: Sequence[Collection[str]]) -> bool:
    return any(model in models for models in free_others)


def _turn(head: LaneHead) -> tuple[int, float]:
    aged = head.priority - math.floor(head.age_seconds / AGEING_SECONDS)
    return aged, -head.age_seconds
