"""How large a model's batches may be on a device that ran out of memory with them. Pure: no device, no clock."""

#: Batches at the ceiling that have to go well before a larger one is tried. Some seconds of work under load.
FIRST_PATIENCE = 16

#: What a failed trial doubles it to at most, so that a device with more room than it had is found out within minutes.
MOST_PATIENCE = 256

#: How much more is tried, of the ceiling. From half of what fits it takes at most three trials to come this near to it.
TRIAL_STEP = 0.25

#: No more than this is tried, however long nothing failed: a second row beside the first is twice as much.
MOST_GROWTH = 2.0


class BatchCeiling:
    """The most padded tokens, growth included, that went well together; nothing bounds them until a batch fails.

    A batch that fails halves the ceiling, unless it was a trial, which leaves it where it was. In either case twice as
    many batches have to go well before the next trial, if any did since the last failure. While the step is too small
    for one more row, and so no batch becomes larger, the step grows.
    """

    def __init__(self, tokens: int | None = None) -> None:
        self.tokens = tokens
        self._patience = FIRST_PATIENCE
        self._successes = 0
        self._has_recovered = False

    def within(self, budget_tokens: int) -> int:
        """What the next batch may hold of a budget."""
        if self.tokens is None:
            return budget_tokens
        steps = self._successes // self._patience
        return min(budget_tokens, int(self.tokens * min(1 + steps * TRIAL_STEP, MOST_GROWTH)))

    def is_beyond(self, tokens: int) -> bool:
        """Whether a batch of this size is a trial: larger than what is known to fit."""
        return self.tokens is not None and tokens > self.tokens

    def note_success(self, tokens: int) -> None:
        """A batch of this size went well."""
        if self.tokens is None:
            return
        self._has_recovered = True
        if self.is_beyond(tokens):
            self.tokens, self._successes = tokens, 0
        elif 2 * tokens > self.tokens:  # else as much again would have fitted, and it says nothing of the ceiling
            self._successes += 1

    def note_failure(self, tokens: int) -> None:
        """A batch of this size and of more than one row ran out of memory, with nothing left to unload for it."""
        if self._has_recovered:
            self._patience = min(2 * self._patience, MOST_PATIENCE)
        self._successes, self._has_recovered = 0, False
        if not self.is_beyond(tokens):
            self.tokens = max(1, tokens // 2)
