"""A scrolling view of toned lines that draws only those of them that have changed."""

from typing import NamedTuple

from rich.style import Style
from textual.geometry import Region, Size
from textual.reactive import Reactive, reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from monitor.core.table import Cell
from monitor.tui.tones import DIM, ToneWidget

_CURSOR = Style(reverse=True)


class Line(NamedTuple):
    """What one line shows."""

    cells: tuple[Cell, ...] = ()
    has_cursor: bool = False


class LineView(ScrollView, ToneWidget):
    """Shows the lines that `line_at` gives; its height in full is its `virtual_size`."""

    #: Textual asks the first base alone.
    COMPONENT_CLASSES = ToneWidget.COMPONENT_CLASSES

    #: Textual would lay the screen out, and draw all lines, for each line that comes or goes.
    virtual_size = Reactive(Size(0, 0), repaint=False)

    #: Set while the lines are not up to date.
    dimmed: reactive[bool] = reactive(False)

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        #: The cells of a line.
        self.room = 0
        self._drawn: dict[int, Line] = {}

    def line_at(self, y: int) -> Line:
        """The line `y` of those that one sees."""
        raise NotImplementedError

    def refresh_changed(self) -> None:
        """Has those lines drawn anew that are no longer as they were drawn last."""
        _, _, self.room, height = self.scrollable_content_region
        changed = [y for y in range(height) if self._drawn.get(y) != self.line_at(y)]
        if changed:
            self.refresh(*(Region(0, y, self.room, 1) for y in changed))

    def watch_virtual_size(self, before: Size, size: Size) -> None:
        """Has the screen laid out anew only where this may change its height or the presence of its scrollbar."""
        overflows = size.height > self.container_size.height
        if self.styles.is_auto_height or size.height < before.height or overflows != self.show_vertical_scrollbar:
            self.refresh(layout=True)
        elif overflows:
            self.vertical_scrollbar.window_virtual_size = size.height

    def render_lines(self, crop: Region) -> list[Strip]:
        """Its lines; how wide they are costs too much to be asked for each."""
        self.room = self.scrollable_content_region.width
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """The line `y` of the widget, as Textual's Line API asks for it."""
        line = self._drawn[y] = self.line_at(y)
        strip = self.draw_line(line.cells, self.room)
        if line.has_cursor:
            strip = strip.apply_style(_CURSOR)
        return strip.apply_style(DIM) if self.dimmed else strip
