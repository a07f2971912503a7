"""What is asked before dead letters are changed."""

from collections import Counter
from collections.abc import Sequence

from monitor.core.dead_letters import Change, DeadLetter
from monitor.core.formatting import printable

#: The lanes that a question names.
MOST_LANES = 5


def letter_question(change: Change, letters: Sequence[DeadLetter], address: str, *, can_undo: bool) -> tuple[str, str]:
    """The question, and the word on the button that goes on."""
    count = len(letters)
    what = "1 dead letter" if count == 1 else f"{count} dead letters"
    verb = "Send again" if change == "requeue" else "Delete"
    kept = "They are first written to a file on this host, and u puts them back."
    deleted = kept if can_undo else "This cannot be undone."
    result = "They go to the end of their lanes as first tries." if change == "requeue" else deleted
    lanes = Counter(letter.lane for letter in letters).most_common()
    named = [f"  {number} of {printable(lane)}"[:70] for lane, number in lanes[:MOST_LANES]]
    more = [f"  and {len(lanes) - MOST_LANES} more lanes"] if len(lanes) > MOST_LANES else []
    return "\n".join([f"{verb} {what}?", *named, *more, result, f"Redis: {address}"]), f"{verb} {count}"
