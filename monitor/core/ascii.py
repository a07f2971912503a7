"""Texts in ASCII alone, in as many cells, for terminals and fonts without the monitor's glyphs."""

from monitor.core.formatting import cell_width

_GLYPHS = str.maketrans(
    {
        **dict(zip("●○◐▲✖‖⊘◌◇✓▶■…·↑↓←→⏎▁▂▃▄▅▆▇█░▒", "#.~!X=Q:+v>*..^v<><_.:-=+*#.:", strict=True)),
        **dict.fromkeys("▏▎▍▌▐▕│┃║", "|"),
        **dict.fromkeys("─━═▔▀", "-"),
        "°": " ",
        **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
    }
)


def to_ascii(text: str) -> str:
    """The text with a sign for each glyph, and `?` for each cell of what has none."""
    if text.isascii():
        return text
    text = text.translate(_GLYPHS)
    return "".join(character if character.isascii() else "?" * cell_width(character) for character in text)
