import subprocess
import sys
from pathlib import Path

import pytest


def imported_with(repository: Path, module: str) -> set[str]:
    """The top-level packages that a fresh interpreter holds after it has imported the module."""
    code = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("module", ["monitor.__main__", "monitor.core.source", "monitor.core.plain"])
def test_a_reading_without_a_terminal_costs_no_terminal_library(repository: Path, module: str) -> None:
    assert imported_with(repository, module).isdisjoint({"textual", "rich"})


@pytest.mark.parametrize("module", ["monitor.__main__", "monitor.tui.app"])
def test_the_monitor_needs_neither_the_actors_nor_torch(repository: Path, module: str) -> None:
    assert imported_with(repository, module).isdisjoint({"actors", "torch", "transformers", "dramatiq"})
