"""The terminal application: one thread reads, the app draws."""

import asyncio
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from textual import on, work
from textual.app import App

from monitor.core.freshness import judge_freshness
from monitor.core.snapshot import Snapshot
from monitor.core.source import Source
from monitor.tui.dashboard import Dashboard
from monitor.tui.help_screen import HelpScreen
from monitor.tui.messages import SnapshotTaken

logger = logging.getLogger(__name__)

#: What a shell reports for a process that SIGTERM has ended.
TERMINATED = 128 + signal.SIGTERM


class ClusterMonitor(App[None]):
    """Reads a source again and again and shows what it says."""

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [("q", "quit", "Quit"), ("p", "pause", "Pause"), ("question_mark", "help", "Help")]

    def __init__(
        self, source: Source, interval_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._source, self._interval_seconds, self._clock = source, interval_seconds, clock
        self._dashboard = Dashboard(source.address)
        self._snapshot = Snapshot()
        self._answered_at = clock()
        self._paused = False
        self._stop_polling = threading.Event()

    def get_default_screen(self) -> Dashboard:
        """The screen below all others."""
        return self._dashboard

    def on_mount(self) -> None:
        if sys.platform != "win32":
            # Left to itself, SIGTERM ends the process with the terminal in the alternate screen.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._terminate)
        self.set_interval(1.0, self._show_freshness)
        self._poll()

    def on_unmount(self) -> None:
        self._stop_polling.set()

    @work(thread=True, exclusive=True, exit_on_error=False)
    def _poll(self) -> None:
        """Reads until the app closes, in a thread of its own; it touches no widget."""
        while not self._stop_polling.is_set():
            if not self._paused:
                self.post_message(SnapshotTaken(self._read()))
            self._stop_polling.wait(self._interval_seconds)

    def _read(self) -> Snapshot:
        try:
            return self._source.read()
        except Exception as error:
            logger.exception("A reading has failed in an unforeseen way.")
            return replace(self._snapshot, error=f"The monitor failed: {error!r}")

    @on(SnapshotTaken)
    def _show_snapshot(self, message: SnapshotTaken) -> None:
        self._snapshot = message.snapshot
        if not self._snapshot.error:
            self._answered_at = self._clock()
        with self.batch_update():
            self._dashboard.show_snapshot(self._snapshot)
            self._show_freshness()

    def _show_freshness(self) -> None:
        age_seconds = self._clock() - self._answered_at
        self._dashboard.show_freshness(
            judge_freshness(self._snapshot, age_seconds, self._interval_seconds, self._paused)
        )

    def action_pause(self) -> None:
        """Stops reading, or goes on."""
        self._paused = not self._paused
        if self._paused:
            self._show_freshness()

    def action_help(self) -> None:
        """Opens the help."""
        self.push_screen(HelpScreen())

    def _terminate(self) -> None:
        self.exit(return_code=TERMINATED)
