"""Virtual environments of the systems that we are compared with: made once, below the user's cache folder."""

import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import platformdirs

#: Seconds that pip may take for one environment.
INSTALL_SECONDS = 300.0

#: In a finished environment; says what it holds.
_MARK = "installed.txt"


class NotInstalled(Exception):
    """An environment cannot be made, with the reason that pip gave."""


def cache_folder() -> Path:
    """Where the environments are."""
    return Path(platformdirs.user_cache_dir("cluster-manager")) / "bench-venvs"


def python_with(requirements: Sequence[str]) -> str:
    """The Python of an environment with exactly these packages; our own when there are none.

    Raises:
      NotInstalled: When pip cannot install them.
    """
    if not requirements:
        return sys.executable
    folder = cache_folder() / re.sub(r"[^a-z0-9.]+", "-", requirements[0].lower())
    wanted = "\n".join([*requirements, sys.version])
    if not (folder / _MARK).exists() or (folder / _MARK).read_text(encoding="utf-8") != wanted:
        _make(folder, requirements)
        (folder / _MARK).write_text(wanted, encoding="utf-8")
    return str(_python(folder))


def _make(folder: Path, requirements: Sequence[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    command = [str(_python(folder)), "-m", "pip", "install", "--quiet", *requirements]
    try:
        installed = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"pip took longer than {INSTALL_SECONDS:g} s for {', '.join(requirements)}") from None
    if installed.returncode:
        raise NotInstalled((installed.stderr.strip().splitlines() or ["pip failed without a word"])[-1])


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
