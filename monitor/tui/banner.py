"""Words beside the tables: how old the data are, how a filter was read, or a trouble in full."""

from rich.text import Text
from textual.widgets import Static

from monitor.core.table import Cell


class Banner(Static):
    """Takes room only while it has something to say."""

    def on_mount(self) -> None:
        self.say(None)

    def say(self, words: Cell | None) -> None:
        """Shows the words, or nothing."""
        self.display = words is not None
        if words is not None:
            self.set_classes(f"tone-{words.tone}")
            self.update(Text(words.text))
