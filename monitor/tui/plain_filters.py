"""What is done to each line before a terminal without glyphs or colours gets it."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from monitor.core.ascii import to_ascii


class AsciiFilter(LineFilter):
    """Draws borders, glyphs and others' texts in ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line in ASCII, in as many cells."""
        return [Segment(to_ascii(text), style, control) for text, style, control in segments]
