"""Words beside the tables: how old the data are, how a filter was read, or a trouble in full."""

from rich.text import Text
from textual.widgets import Static

from monitor.core.formatting import cell_width
from monitor.core.table import Cell


class Banner(Static):
    """Takes room only while it has something to say."""

    _words: Cell | None = None

    def on_mount(self) -> None:
        self.display = self._words is not None

    def say(self, words: Cell | None) -> None:
        """Shows the words, or nothing; the screen is laid out anew only where they may need another room."""
        before, self._words = self._words, words
        if words == before:
            return
        self.display = words is not None
        if words is not None:
            self.set_classes(f"tone-{words.tone}")
            self.update(Text(words.text), layout=before is None or cell_width(words.text) != cell_width(before.text))
