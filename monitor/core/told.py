"""What an operator is told after an action."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Told:
    """A sentence, and whether what was wanted has been done."""

    text: str
    went_well: bool = True
