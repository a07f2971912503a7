"""Dead letters as a table, those with the same error together, and one of them as text."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from monitor.core.dead_letters import DeadLetter
from monitor.core.formatting import ABSENT, format_age, printable
from monitor.core.table import Cell, Column, Table, cell
from monitor.core.view import NOTHING_CHOSEN, Rows, View, arrange
from settings.lane_names import LaneName

COLUMNS = (
    Column("error", least=20, most=80, rank=0),
    Column("alike", least=5, most=6, rank=4, right=True),
    Column("actor", least=8, most=14, rank=2),
    Column("model", least=12, most=40, rank=3),
    Column("tries", least=5, most=5, rank=5, right=True),
    Column("died", least=6, most=6, rank=1, right=True),
)

NO_LETTERS = "No dead letters."

#: What the letters can be sorted by; the first is their own order.
ORDERS: dict[str, Callable[[DeadLetter], Any]] = {
    "error": lambda letter: (letter.error, -letter.died_at, letter.redis_id),
    "died": lambda letter: (-letter.died_at, letter.redis_id),
    "actor": lambda letter: (letter.body.actor_name if letter.body else "", -letter.died_at, letter.redis_id),
}

#: What the words of a filter can be about.
FIELDS: dict[str, Callable[[DeadLetter], str]] = {
    "error": lambda letter: letter.error,
    "actor": lambda letter: letter.body.actor_name if letter.body else "",
    "model": lambda letter: (letter.body and letter.body.model) or "",
    "task": lambda letter: letter.name,
    "queue": lambda letter: LaneName.parse(letter.lane).queue,
    "lane": lambda letter: letter.lane,
}


def letter_id(letter: DeadLetter) -> str:
    """What tells a letter from all others, in the queues of a cluster."""
    return f"{letter.lane} {letter.redis_id}"


def letter_table(
    letters: Sequence[DeadLetter],
    now: float,
    view: View = NOTHING_CHOSEN,
    nothing: str = NO_LETTERS,
    *,
    has_older: bool = False,
) -> Table:
    """A row a letter; where there are older ones that were not read, those that are alike may be more."""
    alike: dict[str, int] = {}
    for letter in letters:
        alike[letter.error] = alike.get(letter.error, 0) + 1
    shown = arrange(letters, view, FIELDS, ORDERS)
    empty = f"Nothing matches {printable(view.words)}: esc clears the filter" if view.words else nothing
    rows = Rows(shown, lambda letter: _row(letter, f"{alike[letter.error]}{'+' if has_older else ''}", now))
    names = tuple(letter.name for letter in shown)
    return Table(COLUMNS, rows, empty, tuple(map(letter_id, shown)), tuple(ORDERS), tuple(FIELDS), names)


def letter_text(letter: DeadLetter) -> str:
    """What a letter is and why it failed; of its caller's fields no more than their kind."""
    return "\n".join(map(printable, _lines(letter)))


def _lines(letter: DeadLetter) -> Iterator[str]:
    yield f"lane      {letter.lane}"
    yield f"stored as {letter.redis_id}, {letter.size:,} bytes"
    yield f"error     {letter.error}"
    if (body := letter.body) is None:
        return
    yield f"message   {body.message_id}"
    yield f"task      {body.actor_name}, {'1 try' if letter.tries == 1 else f'{letter.tries} tries'}"
    yield f"model     {body.model or ABSENT}"
    yield f"fields    {', '.join(letter.fields) or ABSENT} (callers' texts are not shown)"
    yield from (f"try {number + 1}     {reason}" for number, reason in enumerate(body.options.retry_reasons))
    yield ""
    yield from (body.options.traceback or "").splitlines()


def _row(letter: DeadLetter, alike: str, now: float) -> tuple[Cell, ...]:
    body = letter.body
    return (
        cell(f" {letter.error}", "bad"),
        Cell(alike),
        cell(body.actor_name if body else ABSENT),
        cell((body and body.model) or ABSENT),
        Cell(str(letter.tries) if body else ABSENT),
        Cell(format_age(max(0.0, now - letter.died_at))),
    )
