"""Makes Windows programs without a compiler.

pip brings the launcher that Windows' console scripts are made of: followed by a `#!` line and a zip file it is a
program that runs the line's command with its own arguments, and ends with that command's exit code.
"""

import io
import zipfile
from pathlib import Path

import pytest
from pip._vendor import distlib


def make_program(path: Path, command: str) -> None:
    """Writes a program that runs a Windows command line."""
    stub = Path(distlib.__file__).parent / "t64.exe"
    if not stub.exists():
        pytest.skip("this Python's pip has no stub of Windows programs; Debian leaves it out")
    launcher = stub.read_bytes()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("__main__.py", "")
    path.write_bytes(launcher + b"#!" + command.encode() + b"\r\n" + archive.getvalue())
