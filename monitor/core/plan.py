"""What an operator is asked before something is changed, and what is done then."""

from collections.abc import Callable
from dataclasses import dataclass

from monitor.core.told import Told


@dataclass(frozen=True)
class Plan:
    """A change that nobody has agreed to yet."""

    question: str
    verb: str
    """The word on the button that goes on."""
    carry_out: Callable[[str], Told]
    """Called in a thread with the text that was typed, if any."""
    must_type: str | None = None
    """Only who types this goes on."""
    asks_for: tuple[str, ...] | None = None
    """A text is to be typed, such as one of these."""
