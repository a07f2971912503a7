"""The text of token ids that come one by one, published no further than it is certain."""

from collections.abc import Sequence
from typing import Any

#: What a decoder shows for bytes that are not a whole character yet.
INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


class GrowingText:
    """Decodes ids as they come; `take` holds back half characters and what may become a stop string.

    Decoding all ids at each token would cost the square of the length, and a token alone can lack its leading space; so
    the ids since the last whole character are decoded together with those of the piece before.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str] = ()) -> None:
        self._tokenizer, self._stop = tokenizer, tuple(stop)
        self._ids: list[int] = []
        self._context_start = self._pending_start = 0
        self._text = ""
        self._taken = 0
        self.is_stopped = False

    def add(self, token: int) -> None:
        """Takes in the next id."""
        self._ids.append(token)
        if self._stop:
            self._decode_pending(final=False)
            self._cut_at_stop()

    def take(self, final: bool) -> str:
        """The piece that is certain and was not taken yet; the rest too when no more ids come."""
        if not self.is_stopped:
            self._decode_pending(final)
            self._cut_at_stop()
        certain = len(self._text) if final or self.is_stopped else len(self._text) - self._held_back()
        if certain <= self._taken:
            return ""
        piece, self._taken = self._text[self._taken : certain], certain
        return piece

    def complete(self) -> str:
        """The whole text, decoded at once, without what a stop string cut off."""
        self._text = self._decode(self._ids)
        self._cut_at_stop()
        return self._text

    def _decode(self, ids: Sequence[int]) -> str:
        # Tidying up would take back a space that is published when a full stop follows it.
        text = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    def _decode_pending(self, final: bool) -> None:
        before = self._decode(self._ids[self._context_start : self._pending_start])
        now = self._decode(self._ids[self._context_start :])
        if len(now) > len(before) and (final or not now.endswith(INCOMPLETE)):
            self._text += now[len(before) :]
            self._context_start, self._pending_start = self._pending_start, len(self._ids)

    def _cut_at_stop(self) -> None:
        before = self._before_stop(self._text)
        self.is_stopped = len(before) < len(self._text)
        self._text = before

    def _before_stop(self, text: str) -> str:
        found = (position for stop in self._stop if (position := text.find(stop)) >= 0)
        return text[: min(found, default=len(text))]

    def _held_back(self) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        longest = max((len(stop) for stop in self._stop), default=0)
        for length in range(min(longest - 1, len(self._text)), 0, -1):
            if any(stop.startswith(self._text[-length:]) for stop in self._stop):
                return length
        return 0
