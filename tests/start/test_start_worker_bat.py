import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.start.windows_launcher import make_program

needs_wine = pytest.mark.skipif(shutil.which("wine") is None, reason="wine is not installed")

#: Stands in for the launcher: says where it runs and what it was given.
RECORDER = """\
@echo off\r
cd > recorded\r
echo %*>> recorded\r
exit %RECORDED_EXIT_CODE%\r
"""


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a Windows of this test session; making it takes five seconds and 700 MB."""
    prefix = tmp_path_factory.mktemp("wine")
    quiet = {"WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree=;mshtml=", "DISPLAY": ""}
    environment = {**os.environ, **quiet, "WINEPREFIX": str(prefix)}
    # Kept running, as each start of a Windows takes longer than the test in it. Its services would hold a pipe open.
    subprocess.run(["wineserver", "--persistent"], env=environment, check=True, timeout=30)
    try:
        silent = subprocess.DEVNULL
        subprocess.run(["wineboot", "-i"], env=environment, stdout=silent, stderr=silent, check=True, timeout=100)
        yield environment
    finally:
        subprocess.run(["wineserver", "--kill"], env=environment, check=False, timeout=30)
        shutil.rmtree(prefix)


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """A folder with a name that is hard for cmd, which holds the script and no virtual environment."""
    folder = tmp_path / "cluster manager (x86)"
    folder.mkdir()
    shutil.copy(repository / "start_worker.bat", folder)
    return folder


@pytest.fixture
def installed_checkout(checkout: Path) -> Path:
    """The same with a virtual environment whose Python records."""
    recorder, scripts = checkout.parent / "recorder.bat", checkout / ".venv" / "Scripts"
    recorder.write_text(RECORDER, newline="")
    scripts.mkdir(parents=True)
    make_program(scripts / "python.exe", rf"C:\windows\system32\cmd.exe /c {windows_path(recorder)}")
    return checkout


def windows_path(path: Path) -> str:
    return "Z:" + str(path).replace("/", "\\")


def start_worker(
    wine: dict[str, str], checkout: Path, *devices: str, exit_code: int = 0
) -> "subprocess.CompletedProcess[str]":
    """Runs the script from elsewhere."""
    command = ["wine", windows_path(checkout / "start_worker.bat"), *devices]
    environment = {**wine, "RECORDED_EXIT_CODE": str(exit_code)}
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=60)


@needs_wine
def test_without_arguments_the_launcher_chooses_the_devices(wine: dict[str, str], installed_checkout: Path) -> None:
    done = start_worker(wine, installed_checkout)

    assert (done.returncode, done.stderr) == (0, "")
    assert recorded(installed_checkout) == (windows_path(installed_checkout), "-m actors.launch")


@needs_wine
def test_the_arguments_are_handed_on(wine: dict[str, str], installed_checkout: Path) -> None:
    start_worker(wine, installed_checkout, "directml:0", "two words")

    _, arguments = recorded(installed_checkout)
    assert arguments == '-m actors.launch directml:0 "two words"'


@needs_wine
def test_the_launchers_exit_code_is_passed_on(wine: dict[str, str], installed_checkout: Path) -> None:
    assert start_worker(wine, installed_checkout, exit_code=9).returncode == 9


@needs_wine
def test_without_a_virtual_environment_it_says_how_to_make_one(wine: dict[str, str], checkout: Path) -> None:
    done = start_worker(wine, checkout)

    assert done.returncode == 1
    assert f'No virtual environment in "{windows_path(checkout)}\\.venv"' in done.stderr
    assert "-m venv .venv" in done.stderr


def test_every_line_of_the_script_ends_as_windows_wants_it(repository: Path) -> None:
    script = (repository / "start_worker.bat").read_bytes()

    assert script.count(b"\n") == script.count(b"\r\n")


def recorded(checkout: Path) -> tuple[str, str]:
    """The folder that the virtual environment's Python ran in, and its arguments."""
    folder, command = (checkout / "recorded").read_text().splitlines()
    program, _, arguments = command.partition("python.exe")
    assert program == f'"{windows_path(checkout)}\\.venv\\Scripts\\'
    return folder, arguments.removeprefix('"').strip()
