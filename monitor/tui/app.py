"""The terminal application: one thread reads, the app draws."""

import asyncio
import logging
import signal
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import redis
from textual import on, work
from textual.binding import Binding
from textual.filter import LineFilter, NoColor
from textual.worker import get_current_worker

from monitor.core.actions import Actions, Letters
from monitor.core.aging import aged
from monitor.core.detail import Detail, detail_of, detail_of_trouble
from monitor.core.freshness import Freshness, judge_freshness
from monitor.core.letter_table import letter_text
from monitor.core.rewind import Rewind
from monitor.core.snapshot import Snapshot
from monitor.core.source import Source
from monitor.core.story_text import story_text
from monitor.core.task_stories import StoryUnavailable, TaskStory
from monitor.core.task_table import find_row
from monitor.core.trouble_table import trouble_id
from monitor.tui.commands import KeyCommands, PlaceCommands
from monitor.tui.dashboard import Dashboard
from monitor.tui.detail_screen import DetailScreen
from monitor.tui.find_screen import FindScreen
from monitor.tui.help_screen import HelpScreen
from monitor.tui.keys import bindings
from monitor.tui.letter_list import LetterList
from monitor.tui.line_table import LineTable
from monitor.tui.messages import LettersRead, SnapshotTaken
from monitor.tui.operated_app import OperatedApp
from monitor.tui.plain_filters import AsciiFilter
from monitor.tui.task_screen import TaskScreen
from settings.sought_task import SoughtTask

logger = logging.getLogger(__name__)

#: What a shell reports for a process that SIGTERM has ended.
TERMINATED = 128 + signal.SIGTERM

#: Seconds between two readings, from which + and - choose.
INTERVALS_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

#: Where more is told of a trouble that is not about one worker.
_PAGES_OF_TROUBLES = {"dead": "letters", "thrash": "models", "redis": "redis"}

#: Where the rows are that a trouble stands for when there are many of its kind; the others' are workers.
_PAGES_OF_MANY = {"unserved": "lanes", "dead": "lanes", "paused": "lanes", "growing": "lanes", "thrash": "models"}


class Tasks(Protocol):
    """Tells what became of single tasks."""

    def read(self, task: SoughtTask) -> TaskStory:
        """All that is known of one."""


class ClusterMonitor(OperatedApp):
    """Reads a source again and again and shows what it says."""

    CSS_PATH = "app.tcss"
    COMMANDS = {KeyCommands, PlaceCommands}
    BINDINGS = bindings("app")

    def __init__(
        self,
        source: Source,
        interval_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        *,
        letters: Letters | None = None,
        tasks: Tasks | None = None,
        actions: Actions | None = None,
        may_act: bool = False,
        task_seconds: float = 300.0,
        ascii_only: bool = False,
        export_folder: Path = Path("exports"),
    ) -> None:
        super().__init__(source.address, letters, actions, may_act, export_folder)
        self._ascii_only = ascii_only
        self._source, self._interval_seconds, self._clock = source, interval_seconds, clock
        self._tasks, self._task_seconds = tasks, task_seconds
        self._dashboard = Dashboard(source.address, task_seconds, may_act)
        if letters is None:
            self._dashboard.letters.nothing = "Recordings hold the number of dead letters, not the letters."
        #: What was read last: it differs from what is shown while somebody steps through the past.
        self._latest = Snapshot()
        self._rewind, self._step = Rewind(), 0
        self._dead: dict[str, int] | None = None
        self._answered_at = clock()
        self._hurry = threading.Event()
        #: The pages that are open above the dashboard, and what they are about.
        self._opened: list[tuple[str, str]] = []

    def get_default_screen(self) -> Dashboard:
        """The screen below all others."""
        return self._dashboard

    def get_line_filters(self) -> Sequence[LineFilter]:
        """NO_COLOR takes all colours away: Textual's own answer to it leaves shades of grey."""
        filters = [NoColor()] if self.no_color else super().get_line_filters()
        return [*filters, AsciiFilter()] if self._ascii_only else filters

    def get_key_display(self, binding: Binding) -> str:
        """What the footer calls a key; Textual has a glyph for enter."""
        is_enter = self._ascii_only and binding.key == "enter"
        return "enter" if is_enter else super().get_key_display(binding)

    def on_mount(self) -> None:
        if sys.platform != "win32":
            # Left to itself, SIGTERM ends the process with the terminal in the alternate screen.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._terminate)
        self.set_interval(1.0, self._tick)
        self._poll()

    def on_unmount(self) -> None:
        self._stop_polling.set()
        self._hurry.set()

    def _tick(self) -> None:
        if (freshness := self._judge_freshness()).is_stale:
            self._draw()
        else:
            self._dashboard.show_freshness(freshness)

    @work(thread=True, exclusive=True, exit_on_error=False)
    def _poll(self) -> None:
        """Reads until the app closes, in a thread of its own; it touches no widget."""
        while not self._stop_polling.is_set():
            if not self._paused:
                self.post_message(SnapshotTaken(self._read()))
            self._hurry.wait(self._interval_seconds)
            self._hurry.clear()

    def _read(self) -> Snapshot:
        try:
            self._source.watch(*(self._opened or [(self._dashboard.page, "")])[-1])
            return self._source.read()
        except Exception as error:
            logger.exception("A reading has failed in an unforeseen way.")
            return replace(self._latest, error=f"The monitor failed: {error!r}")

    @on(SnapshotTaken)
    def _show_snapshot(self, message: SnapshotTaken) -> None:
        if self._paused:  # a reading that was under way when somebody paused
            return
        self._latest = message.snapshot
        if not self._latest.error:
            self._answered_at = self._clock()
        self._rewind.remember(self._latest)
        self._show(self._latest)
        self._read_letters_if_others()

    def _show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._draw()

    def _draw(self) -> None:
        """Shows the reading; while no newer one comes that should have, its ages go on."""
        freshness = self._judge_freshness()
        shown = aged(self._snapshot, self._age_seconds) if freshness.is_stale else self._snapshot
        with self.batch_update():
            self._dashboard.show_snapshot(shown, self._snapshot.at)
            # A reading may come when the app has closed its screens.
            for detail in (screen for screen in self.screen_stack if isinstance(screen, DetailScreen)):
                detail.show_snapshot(shown)
            self._dashboard.show_freshness(freshness)

    @property
    def _age_seconds(self) -> float:
        """The time since what is shown was read."""
        behind_seconds = (self._latest.at or 0.0) - (self._snapshot.at or 0.0)
        return self._clock() - self._answered_at + behind_seconds

    def _judge_freshness(self) -> Freshness:
        age_seconds, interval_seconds = self._age_seconds, self._interval_seconds
        return judge_freshness(self._snapshot, age_seconds, interval_seconds, self._paused, self._source.state)

    @on(Dashboard.PageOpened)
    def _read_at_once(self) -> None:
        self._hurry.set()

    def _read_letters_if_others(self) -> None:
        """Reads the dead letters while their page is open and their number has changed."""
        dead = {lane.name: lane.dead for lane in self._snapshot.lanes if lane.dead}
        if self._letters and self._dashboard.page == "letters" and dead != self._dead and not self._snapshot.error:
            self._dead = dead
            self._dashboard.letters.make_room(sum(dead.values()))
            self._read_letters(self._letters, dead, self._dashboard.letters.most)

    @work(thread=True, exclusive=True, group="letters", exit_on_error=False)
    def _read_letters(self, letters: Letters, dead: dict[str, int], most: int) -> None:
        try:
            found = letters.read(list(dead), most) if dead else ()
        except (redis.RedisError, OSError) as error:
            self._dead = None
            self.call_from_thread(self.tell, f"The dead letters cannot be read: {error}")
            return
        if not get_current_worker().is_cancelled:
            self.post_message(LettersRead(found, sum(dead.values())))

    @on(LettersRead)
    def _show_letters(self, message: LettersRead) -> None:
        self._dashboard.letters.show_letters(message.letters, message.total)

    @on(LetterList.OlderWanted)
    def _read_older_letters(self) -> None:
        self._dead = None
        self._read_letters_if_others()

    @on(LineTable.Opened)
    def _open(self, event: LineTable.Opened) -> None:
        """Enter: a worker, a lane, a model or a letter in full, or the page that a trouble is about."""
        if detail := detail_of(event.table_id, event.row_id, self._task_seconds):
            self._open_detail(detail)
        elif event.table_id == "troubles":
            self._open_trouble(event.row_id)
        elif event.table_id == "all-tasks":
            self._open_task(event.row_id)
        elif letter := self._dashboard.letters.letter(event.row_id):
            show = DetailScreen("Dead letter", lambda *_: letter_text(letter), self._snapshot, about=letter.name)
            self.push_screen(show)

    def _open_trouble(self, row_id: str) -> None:
        """What it is about, or its page; where it stands for many, their rows alone."""
        for trouble in (each for each in self._dashboard.found if trouble_id(each) == row_id):
            if trouble.others:
                self._dashboard.show_troubled(_PAGES_OF_MANY.get(trouble.kind, "workers"), trouble.kind)
                self.tell("All that have this trouble; esc clears the filter, and t shows the healthy too")
            elif detail := detail_of_trouble(trouble, self._snapshot, self._task_seconds):
                self._open_detail(detail)
                if detail.page != "worker":  # which tells its troubles itself
                    self.tell(trouble.text)
            else:
                self._dashboard.action_page(_PAGES_OF_TROUBLES.get(trouble.kind, "lanes"))
                self.tell(trouble.text)

    def _open_detail(self, detail: Detail) -> None:
        self._opened.append((detail.page, detail.about) if detail.page else (self._dashboard.page, ""))
        self._hurry.set()
        show = DetailScreen(detail.title, detail.make, self._snapshot, about=detail.about)
        self.push_screen(show, self._close_detail)

    def _close_detail(self, _: None) -> None:
        self._opened.pop()

    def _open_worker(self, worker_id: str) -> None:
        if detail := detail_of("workers", worker_id, self._task_seconds):
            self._open_detail(detail)

    def _open_task(self, row_id: str) -> None:
        row = find_row(self._snapshot, row_id)
        if row and row.sought:
            self.push_screen(TaskScreen(row.sought))
        else:
            self.tell("Redis has not told which task this is: it may be too large, unreadable, or gone.")

    @on(TaskScreen.StoryWanted)
    @work(thread=True, group="stories", exit_on_error=False)
    def _read_story(self, event: TaskScreen.StoryWanted) -> None:
        if self._tasks is None:
            text = "Single tasks cannot be read here."
        else:
            try:
                text = story_text(self._tasks.read(event.task))
            except StoryUnavailable as error:
                text = str(error)
        self.call_from_thread(event.screen.tell, text)

    def go_to(self, kind: str, name: str) -> None:
        """Opens a worker, or puts the cursor on a lane or a model."""
        self._dashboard.go_to(f"{kind}s", name)
        if kind == "worker":
            self._open_worker(name)

    def action_pause(self) -> None:
        """Stops reading, or goes on with the latest."""
        self._paused = not self._paused
        self._step = len(self._rewind) - 1
        self._show(self._latest)

    def action_step(self, readings: int) -> None:
        """Shows the reading that came so many before or after the one on the screen; pauses for that."""
        if not self._paused:
            self.action_pause()
        self._step_to(self._step + readings)

    def action_step_minutes(self, minutes: int) -> None:
        """The same by the clock."""
        if not self._paused:
            self.action_pause()
        times = self._rewind.times()
        if times:
            self._step_to(bisect_left(times, times[self._step] + 60 * minutes))

    def _step_to(self, step: int) -> None:
        self._step = max(0, min(step, len(self._rewind) - 1))
        if (snapshot := self._rewind.recall(self._step)) is not None:
            self._show(snapshot)

    def action_find_task(self) -> None:
        """Asks for the id of a task, and opens it."""

        def open_if_given(message_id: str | None) -> None:
            if message_id:
                self.push_screen(TaskScreen(SoughtTask(message_id)))

        self.push_screen(FindScreen(), open_if_given)

    def action_pace(self, steps: int) -> None:
        """Reads more often, or less."""
        nearest = min(INTERVALS_SECONDS, key=lambda seconds: abs(seconds - self._interval_seconds))
        place = INTERVALS_SECONDS.index(nearest) + steps
        self._interval_seconds = INTERVALS_SECONDS[min(max(place, 0), len(INTERVALS_SECONDS) - 1)]
        self._hurry.set()
        self.tell(f"Reads every {self._interval_seconds:g} s")

    def action_theme(self) -> None:
        """Changes to the next theme."""
        names = sorted(self.available_themes)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.tell(f"Theme {self.theme}; TEXTUAL_THEME={self.theme} keeps it")

    def action_help(self) -> None:
        """Opens the help."""
        self.push_screen(HelpScreen())

    def _terminate(self) -> None:
        self.exit(return_code=TERMINATED)
