"""Finds out, in a process that may crash, which devices this host has.

`python -m actors.devices.probe cuda directml` prints one JSON line for each backend that was named. What happens in it
cannot hurt the worker: torch-directml ends a process without adapters with a segmentation fault.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass

from actors.devices.backend import backend_module

#: Importing torch and waking a driver may take this long on a cold disk.
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Probe:
    """The devices of one backend, or the reason why there is none."""

    backend: str
    labels: tuple[str, ...] = ()
    reason: str | None = None


def probe_backends(*backends: str) -> dict[str, Probe]:
    """Asks a child process for the devices of each backend; a crash is an answer too."""
    printed, end = _run_child("actors.devices.probe", *backends)
    answers = [json.loads(line) for line in printed.splitlines() if line.startswith('{"backend"')]
    found = {line["backend"]: Probe(line["backend"], tuple(line["labels"]), line["reason"]) for line in answers}
    return {backend: found.get(backend, Probe(backend, reason=end or "no answer")) for backend in backends}


def failure_of_child(module: str, *arguments: str) -> str | None:
    """Runs a module in a child process and returns what went wrong, None when it ended well."""
    return _run_child(module, *arguments)[1]


def _run_child(module: str, *arguments: str) -> tuple[str, str | None]:
    """What the child printed, and how it failed if it did."""
    # The package has imported this module already, which runpy would call a failure's last word.
    command = [sys.executable, "-W", "ignore::RuntimeWarning:runpy", "-m", module, *arguments]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired as timeout:
        printed = timeout.stdout.decode() if isinstance(timeout.stdout, bytes) else ""
        return printed, f"no answer within {TIMEOUT_SECONDS} s"
    if child.returncode == 0:
        return child.stdout, None
    return child.stdout, f"{_last_line(child.stderr)} (exit code {child.returncode})"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]


def _probe(backend: str) -> Probe:
    try:
        return Probe(backend, tuple(backend_module(backend).device_labels()))
    except Exception as error:  # noqa: BLE001  # whatever a driver raises is the reason, and the next backend is asked
        return Probe(backend, reason=str(error) or type(error).__name__)


if __name__ == "__main__":
    for backend in sys.argv[1:]:
        print(json.dumps(asdict(_probe(backend))), flush=True)
