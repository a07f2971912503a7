"""What is asked before dead letters are changed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from monitor.core.dead_letters import Change, DeadLetter
from monitor.core.formatting import ABSENT, fit, printable

#: The errors and the lanes that a question names.
MOST_ERRORS, MOST_LANES = 3, 5

#: The longest line of it.
MOST_COLUMNS = 70


def letter_question(change: Change, letters: Sequence[DeadLetter], address: str, *, can_undo: bool) -> tuple[str, str]:
    """The question, and the word on the button that goes on."""
    count = len(letters)
    what = "1 dead letter" if count == 1 else f"{count} dead letters"
    verb = "Send again" if change == "requeue" else "Delete"
    kept = "They are kept on this host first, and u puts them back."
    deleted = kept if can_undo else "This cannot be undone."
    result = "They go to the end of their lanes as first tries." if change == "requeue" else deleted
    named = _described(letters[0]) if count == 1 else _counted(letters)
    shown = [fit(printable(line), MOST_COLUMNS).rstrip() for line in named]
    return "\n".join([f"{verb} {what}?", *shown, result, f"Redis: {address}"]), f"{verb} {count}"


def _described(letter: DeadLetter) -> Iterator[str]:
    yield f"  {letter.body.actor_name if letter.body else ABSENT}: {letter.error}"
    yield f"  id {letter.name}"
    yield f"  of {letter.lane}"


def _counted(letters: Sequence[DeadLetter]) -> Iterator[str]:
    yield from _most_common((letter.error for letter in letters), MOST_ERRORS, "with", "errors")
    yield from _most_common((letter.lane for letter in letters), MOST_LANES, "of", "lanes")


def _most_common(names: Iterable[str], most: int, word: str, kind: str) -> Iterator[str]:
    counted = Counter(names).most_common()
    yield from (f"  {number} {word} {name}" for name, number in counted[:most])
    if len(counted) > most:
        yield f"  and {len(counted) - most} more {kind}"
