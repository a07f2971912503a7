"""The line that names the pages and says which is open."""

from dataclasses import dataclass

from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from monitor.core.table import Cell
from monitor.tui.tones import ToneWidget

#: The pages by their keys 1 to 7.
PAGES = {
    "overview": "Overview",
    "workers": "Workers",
    "lanes": "Queues",
    "tasks": "Tasks",
    "letters": "Dead",
    "models": "Models",
    "redis": "Redis",
}

#: The columns of the words about actions.
MODE_COLUMNS = len(" actions on")


class TabLine(ToneWidget):
    """`[2 Workers]` is the open one; the brackets tell so without colour."""

    @dataclass
    class Chosen(Message):
        """Someone has clicked on the name of a page."""

        page: str

    page: reactive[str] = reactive("overview")
    may_act: reactive[bool] = reactive(False)

    def render_line(self, y: int) -> Strip:
        """The whole widget: it is one line high."""
        mode = Cell(" actions on" if self.may_act else " read-only", "warn" if self.may_act else "faint")
        return self.draw_line((*self._names(), mode), self.size.width)

    def on_click(self, event: Click) -> None:
        """The page under the pointer is chosen."""
        end = 0
        for page, name in zip(PAGES, self._names(), strict=True):
            end += len(name.text)
            if event.x < end:
                self.post_message(self.Chosen(page))
                return

    def _names(self) -> tuple[Cell, ...]:
        """All names, or where there is no room for them that of the open page."""
        names = tuple(map(self._cell, PAGES))
        room = self.size.width - MODE_COLUMNS
        return names if sum(len(name.text) for name in names) <= room else tuple(map(self._short, PAGES))

    def _cell(self, name: str) -> Cell:
        text = f"{list(PAGES).index(name) + 1} {PAGES[name]}"
        return Cell(f"[{text}]", "title") if name == self.page else Cell(f" {text} ", "faint")

    def _short(self, name: str) -> Cell:
        """A number, unless the page is open."""
        return self._cell(name) if name == self.page else Cell(f" {list(PAGES).index(name) + 1} ", "faint")
