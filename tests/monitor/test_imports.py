import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import monitor.core

#: Every module that draws nothing.
CORE = [module.name for module in pkgutil.walk_packages(monitor.core.__path__, "monitor.core.")]


def imported_with(repository: Path, *modules: str) -> set[str]:
    """The top-level packages that a fresh interpreter holds after it has imported the modules."""
    code = f"import {', '.join(modules)}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_nothing_of_the_core_costs_a_terminal_library(repository: Path) -> None:
    assert {"monitor.core.source", "monitor.core.demo.cluster"} <= set(CORE)
    assert imported_with(repository, "monitor.__main__", *CORE).isdisjoint({"textual", "rich"})


@pytest.mark.parametrize("module", ["monitor.__main__", "monitor.tui.app"])
def test_the_monitor_needs_neither_the_actors_nor_torch(repository: Path, module: str) -> None:
    assert imported_with(repository, module, *CORE).isdisjoint({"actors", "torch", "transformers", "dramatiq"})
