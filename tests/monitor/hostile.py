"""Strings that a terminal, a markup parser or a column cannot bear."""

HOSTILE_STRINGS = [
    "[/x]",
    "[red]text[/red]",
    "\x1b[31mred\x1b]0;title\x07",
    "two\nlines\r\tand a tab",
    "a\x00nul",
    "\u202eright to left\u2066",
    "שלום עולם",
    "x" * 10_000,
    "日本語の名前",
    "e\u0301\u0300\u0300 👩\u200d🚀",
    "\x9b31m",
]
