"""The table of dead letters, with marks."""

from dataclasses import dataclass

from textual.message import Message

from monitor.core.dead_letters import Change, DeadLetter
from monitor.core.letter_table import NO_LETTERS, letter_id, letter_table
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

    def __init__(self, *, id: str) -> None:
        self._letters: dict[str, DeadLetter] = {}
        self.nothing = NO_LETTERS
        super().__init__(
            "Dead letters",
            lambda snapshot, view: letter_table(tuple(self._letters.values()), snapshot.at or 0.0, view, self.nothing),
            id=id,
        )

    @property
    def letters(self) -> tuple[DeadLetter, ...]:
        """All that were read."""
        return tuple(self._letters.values())

    @letters.setter
    def letters(self, letters: tuple[DeadLetter, ...]) -> None:
        self._letters = {letter_id(letter): letter for letter in letters}
        self._remake()

    def letter(self, row_id: str) -> DeadLetter | None:
        """The letter that a row is about."""
        return self._letters.get(row_id)

    def action_mark_alike(self) -> None:
        """Marks all with the error of the letter under the cursor, as far as the filter shows them."""
        if (chosen := self.letter(self.cursor_id or "")) is not None:
            self._selection.mark(x for x in self._table.ids if self._letters[x].error == chosen.error)
            self._remake()

    def action_requeue(self) -> None:
        """Asks for the marked letters, or the one under the cursor, to be sent again."""
        self._want("requeue")

    def action_delete(self) -> None:
        """Asks for them to be deleted."""
        self._want("delete")

    def _want(self, change: Change) -> None:
        chosen = self.chosen_ids
        letters = tuple(letter for row_id, letter in self._letters.items() if row_id in chosen)
        if letters:
            self.post_message(self.ChangeWanted(change, letters, self.hidden_marks))
