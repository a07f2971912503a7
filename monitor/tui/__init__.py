"""The monitor on a terminal, drawn with Textual."""
