"""What the benchmarks put in the engine's place takes what the engine gives it."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["benchmarks.simulated", "benchmarks.peers.ours_worker"])
def test_a_loader_that_loads_nothing_is_called_as_the_real_one(module: str, repository: Path) -> None:
    # In a process of its own: the module changes the engine that it is imported beside.
    script = f"""
        from inspect import signature
        from actors.engine import loading
        real = signature(loading.load_model)
        import {module}
        print(loading.load_model.__module__, signature(loading.load_model) == real)
    """
    script = "\n".join(map(str.strip, script.splitlines()))

    printed = subprocess.run([sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, check=True)

    assert printed.stdout.split() == [module, "True"]
