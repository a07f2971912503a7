"""The one screen: status, banner, queues, workers."""

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer

from monitor.core.freshness import Freshness
from monitor.core.queue_table import queue_table
from monitor.core.snapshot import Snapshot
from monitor.core.worker_table import worker_table
from monitor.tui.banner import Banner
from monitor.tui.line_table import LineTable
from monitor.tui.status_line import StatusLine


class Dashboard(Screen[None]):
    """Shows a snapshot and how fresh it is; knows nothing of where they come from."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._status = StatusLine(address)
        self._banner = Banner()
        self._queues = LineTable("Queues", queue_table(Snapshot()), id="queues")
        self._workers = LineTable("Workers", worker_table(Snapshot()), id="workers")

    def compose(self) -> ComposeResult:
        yield self._status
        yield self._banner
        yield self._queues
        yield self._workers
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self._workers.focus()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Replaces all data."""
        self._status.snapshot = snapshot
        self._queues.show(queue_table(snapshot))
        self._workers.show(worker_table(snapshot))

    def show_freshness(self, freshness: Freshness) -> None:
        """Says how old the data are, and dims them when they are older than they should be."""
        self._status.freshness = freshness.word
        self._banner.say(freshness.banner)
        self._queues.dimmed = self._workers.dimmed = freshness.is_stale
