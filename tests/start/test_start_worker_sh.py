import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="start_worker.sh is for POSIX systems")

#: Stands in for the virtual environment's Python: says where it runs and what it was given, one line each.
RECORDING_PYTHON = """\
#!/bin/sh
pwd > recorded
for argument in "$@"; do printf '%s\\n' "$argument" >> recorded; done
exit "${RECORDED_EXIT_CODE:-0}"
"""


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """A folder with a space in its name that holds the script, and no virtual environment."""
    folder = tmp_path / "cluster manager"
    folder.mkdir()
    shutil.copy(repository / "start_worker.sh", folder)
    return folder


@pytest.fixture
def installed_checkout(checkout: Path) -> Path:
    """The same with a virtual environment whose Python records."""
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(RECORDING_PYTHON)
    python.chmod(0o755)
    return checkout


def start_worker(checkout: Path, *devices: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs the script from elsewhere."""
    command, variables = [checkout / "start_worker.sh", *devices], {**os.environ, **environment}
    return subprocess.run(command, cwd="/", env=variables, capture_output=True, text=True, timeout=30)


def test_without_arguments_the_launcher_chooses_the_devices(installed_checkout: Path) -> None:
    done = start_worker(installed_checkout)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert recorded(installed_checkout) == [str(installed_checkout), "-m", "actors.launch"]


def test_each_argument_arrives_as_it_was_given(installed_checkout: Path) -> None:
    start_worker(installed_checkout, "cuda:0", "two words", "*")

    assert recorded(installed_checkout)[3:] == ["cuda:0", "two words", "*"]


def test_a_search_path_for_folders_does_not_lead_it_astray(installed_checkout: Path) -> None:
    decoy = installed_checkout.parent / "decoy" / installed_checkout.name
    decoy.mkdir(parents=True)
    command = ["sh", f"{installed_checkout.name}/start_worker.sh"]

    subprocess.run(command, cwd=installed_checkout.parent, env={**os.environ, "CDPATH": str(decoy.parent)}, check=True)

    assert recorded(installed_checkout)[0] == str(installed_checkout)


def test_the_launchers_exit_code_is_passed_on(installed_checkout: Path) -> None:
    assert start_worker(installed_checkout, RECORDED_EXIT_CODE="9").returncode == 9


def test_without_a_virtual_environment_it_says_how_to_make_one(checkout: Path) -> None:
    done = start_worker(checkout)

    assert done.returncode == 1
    assert f"No virtual environment in {checkout}/.venv" in done.stderr
    assert "python3 -m venv .venv" in done.stderr


def test_the_script_in_the_checkout_is_executable(repository: Path) -> None:
    assert os.access(repository / "start_worker.sh", os.X_OK)


def recorded(checkout: Path) -> list[str]:
    """The folder that the stand-in ran in, then its arguments."""
    return (checkout / "recorded").read_text().splitlines()
