"""How long a batch takes for its size, learned from the batches that ran. Pure: no device, no clock."""

import math
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

#: Batches at the beginning that say little: kernels are chosen, memory is taken, caches fill.
WARM_UP_BATCHES = 2

#: Times of one size that are kept; their median counts, so one hiccup changes nothing and a lasting change soon shows.
RECENT_TIMES = 3

#: A size with fewer times than this is not known yet: a single one may be a hiccup.
TIMES_TO_KNOW = 2

#: What a size that was never tried is taken to cost per token, of its cheaper neighbour. Below 1 it gets its try.
UNTRIED = 0.9

#: A size that so many batches had no use for is forgotten, and so gets its try again: the machine may have changed.
FORGET_AFTER_BATCHES = 500

#: Sizes between one and its double; how finely the best batch can be found.
STEPS_PER_DOUBLING = 2


@dataclass
class _Size:
    """The last times of batches of about one size, in seconds per padded token."""

    per_token: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_TIMES))
    last_used: int = 0

    @property
    def is_known(self) -> bool:
        return len(self.per_token) >= TIMES_TO_KNOW

    @property
    def typical(self) -> float:
        return sorted(self.per_token)[(len(self.per_token) - 1) // 2]


class BatchCost:
    """The cost curve of one model on one device; whatever its shape, and however it changes."""

    def __init__(self) -> None:
        self._sizes: dict[int, _Size] = {}
        self._batches = 0
        self._curve: list[float] = []

    def note(self, padded_tokens: int, seconds: float) -> None:
        """Takes in what a batch took."""
        self._batches += 1
        if self._batches <= WARM_UP_BATCHES:
            return
        size = self._sizes.setdefault(round(_position(padded_tokens)), _Size())
        size.per_token.append(seconds / padded_tokens)
        size.last_used = self._batches
        self._forget_unused()
        self._curve = self._drawn()

    def seconds(self, padded_tokens: int) -> float:
        """What a batch of this size is expected to take; the same for every size as long as nothing is known."""
        if not self._curve:
            return 1.0
        position = min(_position(padded_tokens), len(self._curve) - 1)
        below = int(position)
        above = min(below + 1, len(self._curve) - 1)
        share = position - below
        return padded_tokens * ((1 - share) * self._curve[below] + share * self._curve[above])

    def _forget_unused(self) -> None:
        oldest = self._batches - FORGET_AFTER_BATCHES
        self._sizes = {step: size for step, size in self._sizes.items() if size.last_used > oldest}

    def _drawn(self) -> list[float]:
        """Seconds per token at each step, as far as one beyond the largest known."""
        known = {step: size.typical for step, size in self._sizes.items() if size.is_known}
        if not known:
            return []
        steps = sorted(known)
        curve = [UNTRIED * known[steps[0]]] * steps[0]
        for step, following in pairwise(steps):
            between = UNTRIED * min(known[step], known[following])
            curve += [known[step], *[between] * (following - step - 1)]
        return [*curve, known[steps[-1]], UNTRIED * known[steps[-1]]]


def _position(padded_tokens: int) -> float:
    return STEPS_PER_DOUBLING * math.log2(padded_tokens)
