"""The table of dead letters, with marks."""

from dataclasses import dataclass

from textual.message import Message

from monitor.core.dead_letters import LETTERS_AT_ONCE, Change, DeadLetter
from monitor.core.formatting import format_count
from monitor.core.letter_table import NO_LETTERS, letter_id, letter_table
from monitor.core.snapshot import Snapshot
from monitor.core.table import Table
from monitor.core.view import View
from monitor.tui.keys import bindings
from monitor.tui.line_table import LineTable


class LetterList(LineTable):
    """Shows the letters it was last given, and asks its screen to change those that are marked."""

    BINDINGS = bindings("letters")
    key_places = ("table", "letters")

    @dataclass
    class ChangeWanted(Message):
        """Someone wants these letters sent again, or deleted."""

        change: Change
        letters: tuple[DeadLetter, ...]
        hidden_marks: int

    class OlderWanted(Message):
        """Someone wants to see older letters too."""

    def __init__(self, *, id: str) -> None:
        self._letters: dict[str, DeadLetter] = {}
        self._total = 0
        self.nothing = NO_LETTERS
        #: So many of each lane are wanted.
        self.most = LETTERS_AT_ONCE
        super().__init__("Dead letters", self._letter_table, id=id)

    def show_letters(self, letters: tuple[DeadLetter, ...], total: int) -> None:
        """Shows those that were read, out of so many."""
        self._letters, self._total = {letter_id(letter): letter for letter in letters}, total
        self._remake()

    def make_room(self, total: int) -> None:
        """Wants as many more as have died since, while some are marked: else new ones would push these out."""
        if self._selection.marks:
            self.most += max(0, total - self._total)

    @property
    def has_older(self) -> bool:
        """Whether there are letters that were not read."""
        return self._total > len(self._letters)

    def letter(self, row_id: str) -> DeadLetter | None:
        """The letter that a row is about."""
        return self._letters.get(row_id)

    def action_mark_alike(self) -> None:
        """Marks all with the error of the letter under the cursor, as far as the filter shows them."""
        if (chosen := self.letter(self.cursor_id or "")) is not None:
            self._selection.mark(x for x in self._table.ids if self._letters[x].error == chosen.error)
            self._remake()

    def action_older(self) -> None:
        """Asks for the next older letters of each lane."""
        if self.has_older:
            self.most += LETTERS_AT_ONCE
            self.post_message(self.OlderWanted())
        else:
            self.notify("All dead letters have been read.", markup=False)

    def action_requeue(self) -> None:
        """Asks for the marked letters, or the one under the cursor, to be sent again."""
        self._want("requeue")

    def action_delete(self) -> None:
        """Asks for them to be deleted."""
        self._want("delete")

    def _letter_table(self, snapshot: Snapshot, view: View) -> Table:
        letters = tuple(self._letters.values())
        return letter_table(letters, snapshot.at or 0.0, view, self.nothing, has_older=self.has_older)

    def _counted(self) -> str:
        if not self.has_older:
            return super()._counted()
        shown, read = len(self._table.rows), len(self._letters)
        some = format_count(read) if shown == read else f"{format_count(shown)} in {format_count(read)}"
        return f" ({some} of {format_count(self._total)}, o reads older)"

    def _want(self, change: Change) -> None:
        chosen = self.chosen_ids
        letters = tuple(letter for row_id, letter in self._letters.items() if row_id in chosen)
        if letters:
            self.post_message(self.ChangeWanted(change, letters, self.hidden_marks))
