"""What an operator is asked before something is changed, and what is done then."""

from collections.abc import Callable
from dataclasses import dataclass, replace

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


def sparing(plan: Plan, hidden: int) -> Plan:
    """The plan, whose question says how many are marked too and are left alone because a filter hides them."""
    if not hidden:
        return plan
    left = f"{hidden} more marked, which the filter hides: left as {'it is' if hidden == 1 else 'they are'}."
    return replace(plan, question=f"{plan.question}\n{left}")
