"""`python -m actors.launch [DEVICE …]`: one `dramatiq actors -p 1` for each device, started again when it ends.

A Dramatiq master stops all its processes when one dies, so a device that fails would take its neighbours along; under
this launcher it does not. Without arguments the devices are those of GPU_DEVICES. start_worker.bat and start_worker.sh
call it.
"""

import argparse
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache

import psutil

from actors.devices.backend import DeviceName
from actors.devices.probe import Probe, probe_backends
from actors.devices.selection import ACCELERATORS, Probes, select_devices
from actors.errors import DeviceUnavailable
from settings.config import current_settings, read_settings
from settings.local_redis import ensure_redis

logger = logging.getLogger(__name__)

#: What runs for each device, with GPU_DEVICES naming it.
WORKER_COMMAND = (sys.executable, "-m", "dramatiq", "actors", "--processes", "1")

#: DirectML's driver gives a dead process's memory back late: at once, the next start finds the device full.
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0

#: A worker that lived this long had started well; the next pause is the first again.
STABLE_SECONDS = 60.0

#: How long workers may finish what they have in hand.
STOP_SECONDS = 600.0

#: Between two looks at the workers.
LOOK_SECONDS = 0.2


class DeviceProcess:
    """The worker of one device, and when it may be started next."""

    def __init__(self, device: str, command: Sequence[str], first_pause_seconds: float) -> None:
        self.device = device
        self.process: subprocess.Popen[bytes] | None = None
        self._command = command
        self._first_pause_seconds = self._next_pause_seconds = first_pause_seconds
        self._started_at = self._start_not_before = 0.0

    def keep_running(self) -> None:
        """Starts the worker when it has none and its pause is over, and notices when it has ended."""
        if self.process is None:
            if time.monotonic() >= self._start_not_before:
                self._start()
        elif (code := self.process.poll()) is not None:
            self._note_end(code)

    def request_end(self) -> None:
        """Lets the worker finish what it has in hand; Windows has no such request, and it ends at once."""
        if self.process and sys.platform == "win32":
            end_with_children(self.process)
        elif self.process:
            self.process.terminate()

    def wait_for_end(self, deadline: float) -> None:
        """Waits until the worker has ended, or ends it when the time is over."""
        if self.process:
            try:
                self.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                end_with_children(self.process)

    def _start(self) -> None:
        environment = {**os.environ, "GPU_DEVICES": self.device}
        # In a process group of its own: Ctrl-C would reach the worker besides our own request to end, and a Dramatiq
        # worker that is asked twice drops what it has in hand. Windows ignores the group.
        self.process = subprocess.Popen(self._command, env=environment, process_group=0)
        self._started_at = time.monotonic()
        logger.info("Started the worker of %s (process %d).", self.device, self.process.pid)

    def _note_end(self, code: int) -> None:
        now = time.monotonic()
        if now - self._started_at > STABLE_SECONDS:
            self._next_pause_seconds = self._first_pause_seconds
        pause_seconds = self._next_pause_seconds
        self.process, self._start_not_before = None, now + pause_seconds
        self._next_pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
        logger.warning("The worker of %s ended (code %d); next start in %.0f s.", self.device, code, pause_seconds)


class Launcher:
    """Keeps one worker process running for each device until it is stopped."""

    def __init__(
        self,
        devices: Sequence[str],
        command: Sequence[str] = WORKER_COMMAND,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self.workers = [DeviceProcess(device, command, first_pause_seconds) for device in devices]
        self._is_stopped = False

    def run(self) -> None:
        """Starts the workers and starts them again as they end; returns when all have stopped."""
        while not self._is_stopped:
            for worker in self.workers:
                worker.keep_running()
            time.sleep(LOOK_SECONDS)
        self._request_ends()
        deadline = time.monotonic() + STOP_SECONDS
        for worker in self.workers:
            worker.wait_for_end(deadline)

    def stop(self, *signal_and_frame: object) -> None:
        """Asks `run` to end, and a second time the workers to drop what they have in hand.

        It has no lock that `run` might hold, and so can be called from a signal handler.
        """
        if self._is_stopped:
            self._request_ends()
        self._is_stopped = True

    def _request_ends(self) -> None:
        for worker in self.workers:
            worker.request_end()


def end_with_children(process: "subprocess.Popen[bytes]") -> None:
    """Ends a Dramatiq master and the worker below it, which would go on without its master."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    process.kill()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def device_names(arguments: Sequence[str]) -> list[str]:
    """The devices to serve: those named, else those of GPU_DEVICES.

    Raises:
      DeviceUnavailable: When one is named that this host does not have.
      InvalidConfiguration: When a name is not one.
    """
    settings = current_settings()
    if arguments:
        os.environ["GPU_DEVICES"] = ",".join(arguments)
        settings = read_settings()
    probe = cache(lambda: probe_backends(*ACCELERATORS))
    devices = select_devices(settings, probe)
    for device in devices:
        refuse_absent(device, probe)
    return [str(device) for device in devices]


def refuse_absent(device: DeviceName, probe: Callable[[], Probes]) -> None:
    """Ends the start for a device that no pause will bring: its worker would be started again for ever.

    Raises:
      DeviceUnavailable: With the reason why this host does not have it.
    """
    if device.backend == "cpu":
        return
    found: Probe = probe()[device.backend]
    if device.index >= len(found.labels):
        reason = found.reason or f"this host has {len(found.labels)} {device.backend} device(s)"
        raise DeviceUnavailable(f"{device}: {reason}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the launcher in the foreground."""
    parser = argparse.ArgumentParser(prog="python -m actors.launch", description="One worker process for each device.")
    parser.add_argument("devices", nargs="*", metavar="DEVICE", help="an index or a device such as 0, cuda:1, cpu")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s launch %(levelname)s %(message)s")
    named = parser.parse_args(arguments).devices
    try:
        launcher = Launcher(device_names(named))
    except DeviceUnavailable as error:
        raise SystemExit(f"No worker can be started: {error}.") from None
    # A private Redis, where one is needed, lives as long as the launcher and not as long as its first worker.
    ensure_redis(current_settings(), owner_pid=os.getpid())
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if number := getattr(signal, name, None):
            signal.signal(number, launcher.stop)
    launcher.run()


if __name__ == "__main__":
    main()
