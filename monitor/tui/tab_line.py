"""The line that names the pages and says which is open."""

from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from monitor.core.table import Cell
from monitor.tui.tones import TONE_CLASSES, draw_cells

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


class TabLine(Widget):
    """`[2 Workers]` is the open one; the brackets tell so without colour."""

    COMPONENT_CLASSES = set(TONE_CLASSES)

    page: reactive[str] = reactive("overview")
    may_act: reactive[bool] = reactive(False)

    def render_line(self, y: int) -> Strip:
        """The whole widget: it is one line high."""
        mode = Cell(" actions on" if self.may_act else " read-only", "warn" if self.may_act else "faint")
        named = draw_cells(self, (*map(self._cell, PAGES), mode))
        line = named if named.cell_length <= self.size.width else draw_cells(self, (*map(self._short, PAGES), mode))
        return line.adjust_cell_length(self.size.width, self.rich_style)

    def _cell(self, name: str) -> Cell:
        text = f"{list(PAGES).index(name) + 1} {PAGES[name]}"
        return Cell(f"[{text}]", "title") if name == self.page else Cell(f" {text} ", "faint")

    def _short(self, name: str) -> Cell:
        """Where there is no room for all names, the open page has its own."""
        return self._cell(name) if name == self.page else Cell(f" {list(PAGES).index(name) + 1} ", "faint")
