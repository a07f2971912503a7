"""A command on a terminal of its own."""

import contextlib
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Self


class Terminal:
    """Runs `python ARGUMENTS` on a pseudo-terminal of 80x24; POSIX only."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        import pty
        import termios

        self._screen, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (24, 80))
        self.process = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, stdin=terminal, stdout=terminal, stderr=terminal
        )
        os.close(terminal)
        self.output = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)

    def type(self, text: str) -> None:
        """Presses keys."""
        os.write(self._screen, text.encode())

    def read_until(self, text: str) -> None:
        """Collects the output until it holds the text."""
        deadline = time.monotonic() + 30.0
        while text not in self.output:
            assert time.monotonic() < deadline, f"not within 30 s: {text!r} in {self.output!r}"
            self._read()

    def _read(self) -> None:
        if select.select([self._screen], [], [], 0.1)[0]:
            with contextlib.suppress(OSError):  # Linux' answer when the other side has closed
                self.output += os.read(self._screen, 65536).decode(errors="replace")
