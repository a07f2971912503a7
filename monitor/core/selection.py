"""The cursor of a table and its marks, which stay on their rows while others come, go and change places."""

from collections.abc import Callable, Iterable, Sequence


class Selection:
    """Follows ids: a row that is hidden keeps its mark, and the cursor comes back to it when it is shown again."""

    def __init__(self) -> None:
        self.ids: Sequence[str] = ()
        self.place = 0
        self.marks: frozenset[str] = frozenset()
        #: What the cursor was put on; while that is hidden it stands on a neighbour.
        self._wanted: str | None = None

    @property
    def cursor_id(self) -> str | None:
        """What the row under the cursor is about."""
        return self.ids[self.place] if self.ids else None

    @property
    def chosen_ids(self) -> tuple[str, ...]:
        """The marked rows that are shown, in their order, else the one under the cursor."""
        marked = tuple(row_id for row_id in self.ids if row_id in self.marks) if self.marks else ()
        return marked or ((self.cursor_id,) if self.cursor_id is not None else ())

    @property
    def hidden_marks(self) -> int:
        """How many marked rows are not shown."""
        return len(self.marks.difference(self.ids)) if self.marks else 0

    def follow(self, ids: Sequence[str], all_ids: Callable[[], Iterable[str]]) -> None:
        """Takes the rows that are shown now; `all_ids` gives the hidden ones too, and is asked only where it matters.

        A row that has gone leaves the cursor at its place, which is its neighbour's now.
        """
        neighbour, self.ids = self.cursor_id, ids
        if (unseen := self._unseen()) and (gone := unseen.difference(all_ids())):
            self.marks -= gone
            self._wanted = None if self._wanted in gone else self._wanted
        shown = next((row_id for row_id in (self._wanted, neighbour) if row_id in ids), None)
        self.place = max(0, min(self.place, len(ids) - 1)) if shown is None else ids.index(shown)
        self._wanted = self._wanted or self.cursor_id

    def move(self, rows: int) -> None:
        """Moves the cursor, at most to the first or the last row."""
        if self.ids:
            self.place = max(0, min(self.place + rows, len(self.ids) - 1))
            self._wanted = self.cursor_id

    def mark(self, row_ids: Iterable[str]) -> None:
        """Marks rows."""
        self.marks |= frozenset(row_ids)

    def mark_and_move(self) -> None:
        """Marks the row under the cursor, or takes its mark away, and goes on to the next."""
        if self.cursor_id is not None:
            self.marks ^= {self.cursor_id}
            self.move(1)

    def _unseen(self) -> set[str]:
        """What is marked or wanted and not among the rows."""
        followed = {*self.marks, self._wanted} if self._wanted else {*self.marks}
        return followed.difference(self.ids)
