"""What of a table a person wants to see, and in which order."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from monitor.core.formatting import printable
from monitor.core.on_demand import OnDemand
from monitor.core.snapshot import Snapshot
from monitor.core.table import Cell
from monitor.core.words import Fields, narrow

T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """A filter of words, a column to sort by (None: the table's own order), and whether only trouble is shown."""

    words: str = ""
    sort: str | None = None
    is_reversed: bool = False
    trouble_only: bool = False
    troubled: Mapping[str, str] = field(default_factory=dict)
    """What troubles are about, which alone is shown then, and their kinds."""

    def shows(self, *names: str) -> bool:
        """Whether a row that is about these is shown."""
        return not self.trouble_only or any(name in self.troubled for name in names)


NOTHING_CHOSEN = View()


def empty_text(snapshot: Snapshot, view: View, nothing: str) -> str:
    """Why a table has no rows: no answer yet, a filter that hides them, or nothing there."""
    if snapshot.at is None:
        return "Waiting for the first answer."
    if view.words:
        return f"Nothing matches {printable(view.words)}: esc clears the filter"
    return "No trouble here: t shows all" if view.trouble_only else nothing


def arrange(items: Iterable[T], view: View, fields: Fields[T], orders: Mapping[str, Callable[[T], Any]]) -> list[T]:
    """The items that match, by the chosen order or, with none chosen, by the first."""
    order = orders.get(view.sort or "") or next(iter(orders.values()))
    return sorted(narrow(items, view.words, fields), key=order, reverse=view.is_reversed)


def with_troubles(fields: Fields[T], view: View, name: Callable[[T], str]) -> dict[str, Callable[[T], str]]:
    """What the words of a filter can be about, with the kinds of trouble that an item has."""
    return {**fields, "trouble": lambda item: view.troubled.get(name(item), "")}


#: Rows of a table that are made when they are drawn.
Rows = OnDemand[tuple[Cell, ...]]
