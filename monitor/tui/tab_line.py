"""The line that names the pages and says which is open."""

from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from monitor.core.table import Cell
from monitor.tui.tones import TONE_CLASSES, draw_cells

#: The pages by their keys 1 to 5.
PAGES = {
    "overview": "Overview",
    "workers": "Workers",
    "lanes": "Queues",
    "letters": "Dead letters",
    "models": "Models",
}


class TabLine(Widget):
    """`[2 Workers]` is the open one; the brackets tell so without colour."""

    COMPONENT_CLASSES = set(TONE_CLASSES)

    page: reactive[str] = reactive("overview")
    may_act: reactive[bool] = reactive(False)

    def render_line(self, y: int) -> Strip:
        """The whole widget: it is one line high."""
        cells = [self._cell(number, name) for number, name in enumerate(PAGES, start=1)]
        mode = Cell("   actions on" if self.may_act else "   read-only", "warn" if self.may_act else "faint")
        return draw_cells(self, (Cell(" "), *cells, mode)).adjust_cell_length(self.size.width, self.rich_style)

    def _cell(self, number: int, name: str) -> Cell:
        text = f"{number} {PAGES[name]}"
        return Cell(f"[{text}]", "title") if name == self.page else Cell(f" {text} ", "faint")
