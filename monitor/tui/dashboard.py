"""The one screen: status, pages, banner, tables."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.events import Resize
from textual.message import Message
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, Input, Static

from monitor.core.event_table import event_table
from monitor.core.formatting import printable
from monitor.core.freshness import Freshness
from monitor.core.lane_table import lane_table
from monitor.core.model_table import model_table
from monitor.core.queue_table import queue_table
from monitor.core.server_table import key_table, server_table
from monitor.core.snapshot import Snapshot
from monitor.core.summary import summarise
from monitor.core.table import Cell, Table
from monitor.core.task_table import task_table
from monitor.core.totals import TotalsWatch, sum_up
from monitor.core.trouble import Trouble
from monitor.core.trouble_finder import TroubleFinder
from monitor.core.trouble_table import ALL_IS_WELL, trouble_id, trouble_sentence, trouble_table
from monitor.core.view import View
from monitor.core.words import unknown_fields
from monitor.core.worker_table import worker_table
from monitor.tui.banner import Banner
from monitor.tui.filter_bar import FilterBar
from monitor.tui.keys import bindings
from monitor.tui.lane_list import LaneList
from monitor.tui.letter_list import LetterList
from monitor.tui.line_table import LineTable
from monitor.tui.status_line import StatusLine
from monitor.tui.tab_line import TabLine
from monitor.tui.totals_panel import TotalsPanel
from monitor.tui.worker_list import WorkerList

#: On a smaller terminal nothing can be shown that is of use.
LEAST_COLUMNS, LEAST_LINES = 60, 15

#: From so many columns on tables stand side by side; from so many lines on all of them are there.
WIDE_COLUMNS, TALL_LINES = 140, 36

#: What operators did is shown from so many lines on; on fewer it would take the workers' room.
AUDIT_LINES = 28

#: On fewer lines there is room for the first of the totals alone.
SHORT_LINES = 20


class Dashboard(Screen[None]):
    """Shows a snapshot and how fresh it is; knows nothing of where they come from."""

    BINDINGS = bindings("pages")

    class PageOpened(Message):
        """Somebody looks at another page, which may have something of its own to be read."""

    def __init__(self, address: str, task_seconds: float, may_act: bool) -> None:
        super().__init__()
        self._snapshot, self._finder = Snapshot(), TroubleFinder(task_seconds)
        self._totals_watch, self._sums = TotalsWatch(), sum_up(Snapshot())
        self._status, self._tabs, self._banner = StatusLine(address), TabLine(), Banner()
        self._status.summary, self._tabs.may_act = summarise(self._sums), may_act
        self._filter, self._misread = FilterBar(), Banner(id="misread")
        self.letters = LetterList(id="letter-list")
        workers = WorkerList("Workers", self._told(worker_table), id="workers")
        #: What is wrong in the reading that is shown, as long as the overview is.
        self.found: tuple[Trouble, ...] = ()
        self._troubled: tuple[Snapshot, Mapping[str, str]] | None = None
        self._totals, self._sentence = TotalsPanel(), Banner(id="sentence")
        self._troubles = LineTable("Trouble", self._trouble_table, id="troubles")
        self._queues = LaneList("Queues", self._told(queue_table), id="queues")
        self._events = LineTable("Events", event_table, id="events")
        self._pages: dict[str, tuple[LineTable, ...]] = {
            "overview": (self._troubles, self._queues, self._events, workers),
            "workers": (WorkerList("Workers", self._told(worker_table), id="all-workers"),),
            "lanes": (LaneList("Queues", self._told(lane_table), id="all-lanes"),),
            "tasks": (LineTable("Tasks", self._told(task_table), id="all-tasks"),),
            "letters": (self.letters,),
            "models": (LineTable("Models", self._told(model_table), id="all-models"),),
            "redis": (
                LineTable("Redis", server_table, id="server"),
                LineTable("Keys of the queues' database by kind", key_table, id="all-keys"),
            ),
        }

    def compose(self) -> ComposeResult:
        yield Static(f"Too small: {LEAST_COLUMNS}x{LEAST_LINES} is needed.", id="too-small")
        yield self._status
        yield self._tabs
        yield self._banner
        with ContentSwitcher(initial="page-overview"):
            yield from self._compose_pages()
        yield self._misread
        yield self._filter
        yield Footer(show_command_palette=False)

    def _compose_pages(self) -> ComposeResult:
        for name, tables in self._pages.items():
            with Vertical(id=f"page-{name}"):
                if name == "overview":
                    yield from (self._totals, self._troubles, self._sentence)
                    yield Container(self._queues, self._events, id="queues-and-events")
                    yield tables[-1]
                else:
                    yield from tables

    def on_mount(self) -> None:
        self._pages["overview"][-1].focus()

    def on_resize(self, event: Resize) -> None:
        """Says so instead of drawing scraps, and shows more where there is more room."""
        width, height = event.size
        self.set_class(width < LEAST_COLUMNS or height < LEAST_LINES, "too-small")
        self.set_class(width >= WIDE_COLUMNS, "wide")
        self.set_class(height >= TALL_LINES, "tall")
        self.set_class(height < SHORT_LINES, "short")
        self._give_events_room()
        self.call_after_refresh(self._tell_trouble)

    @property
    def page(self) -> str:
        """The name of the open page."""
        return self._tabs.page

    def show_snapshot(self, snapshot: Snapshot, read_at: float | None) -> None:
        """Replaces all data; `read_at` is when they were read, for their ages may have gone on since."""
        self._snapshot, self._sums = snapshot, self._totals_watch.sum_up(snapshot)
        self._status.summary, self._status.at = summarise(self._sums), read_at
        self._give_events_room()
        self._show_page()

    def _show_page(self) -> None:
        for table in self._pages[self.page]:
            table.show(self._snapshot)
        if self.page == "overview":
            self._totals.show(self._snapshot, self._sums)
            self._tell_trouble()

    def show_freshness(self, freshness: Freshness) -> None:
        """Says how old the data are, and dims them when they are older than they should be."""
        self._status.freshness = freshness.word
        self._banner.say(freshness.banner)
        for table in self._tables():
            table.dimmed = freshness.is_stale
        self._totals.dimmed = freshness.is_stale

    def action_page(self, name: str) -> None:
        """Opens a page and gives it the keys."""
        self._tabs.page = name
        self.query_one(ContentSwitcher).current = f"page-{name}"
        self._show_page()
        self._tell_misread()
        # Unlike a widget's own focus(), which waits its turn: keys that are typed fast would go to the old page.
        self.set_focus(self._pages[name][-1])
        self.post_message(self.PageOpened())

    @on(TabLine.Chosen)
    def _open_clicked(self, event: TabLine.Chosen) -> None:
        self.action_page(event.page)

    def go_to(self, name: str, row_id: str) -> None:
        """Opens a page with the cursor on a row."""
        self.action_page(name)
        self._filter_by("")
        self._pages[name][-1].choose(row_id)

    def show_troubled(self, name: str, kind: str) -> None:
        """Opens a page with the rows alone that have a kind of trouble."""
        self.action_page(name)
        self._filter_by(f"trouble:{kind}")
        for table in self._tables():
            table.view = replace(table.view, trouble_only=True)

    def action_filter(self) -> None:
        """Opens the line for the words of a filter."""
        self._filter.value = self._pages[self.page][-1].view.words
        self._filter.open()

    def action_clear_filter(self) -> None:
        """Shows all again."""
        self._filter_by("")

    def action_trouble(self) -> None:
        """Shows trouble only, on all pages, or all again."""
        for table in self._tables():
            table.view = replace(table.view, trouble_only=not table.view.trouble_only)

    @on(Input.Changed)
    def _filter_while_typed(self, event: Input.Changed) -> None:
        if self._filter.display:
            self._filter_by(event.value)

    @on(FilterBar.Closed)
    def _end_typing(self, event: FilterBar.Closed) -> None:
        # What was typed fast has not been told while the line was open.
        self._filter_by(self._filter.value if event.keeps else "")
        self.set_focus(self._pages[self.page][-1])

    def _filter_by(self, words: str) -> None:
        for table in self._pages[self.page]:
            table.view = replace(table.view, words=words)
        self._tell_misread()

    def _tell_misread(self) -> None:
        """Says which words of the page's filter look like a field's and are read as text, and what the fields are."""
        tables = [table for table in self._pages[self.page] if table.display]
        known = list(dict.fromkeys(field for table in tables for field in table.fields))
        unknown = unknown_fields(tables[-1].view.words, known)
        text = f"No field {printable(unknown[0])}, read as text. Fields: {' '.join(known)}" if unknown else None
        self._misread.say(Cell(text, "warn") if text else None)

    def _tables(self) -> Iterable[LineTable]:
        return (table for tables in self._pages.values() for table in tables)

    def _told(self, make: Callable[[Snapshot, View], Table]) -> Callable[[Snapshot, View], Table]:
        """Where trouble only is shown, or something is sought, the table is told what is in trouble."""

        def make_told(snapshot: Snapshot, view: View) -> Table:
            if view.trouble_only or view.words:
                view = replace(view, troubled=self._troubled_in(snapshot))
            return make(snapshot, view)

        return make_told

    def _troubled_in(self, snapshot: Snapshot) -> Mapping[str, str]:
        """Looked for once in a reading, whichever tables ask."""
        if self._troubled is None or self._troubled[0] is not snapshot:
            self._troubled = snapshot, self._finder.find_troubled(snapshot)
        return self._troubled[1]

    def _trouble_table(self, snapshot: Snapshot, view: View) -> Table:
        empty = "Waiting for the first answer." if snapshot.at is None else ALL_IS_WELL
        self.found = self._finder.find(snapshot)
        return trouble_table(self.found, empty)

    def _give_events_room(self) -> None:
        """Where there is little, only what operators do is worth it."""
        has_room = self.has_class("wide") or self.has_class("tall")
        self._events.display = has_room or (bool(self._snapshot.audit) and self.size.height >= AUDIT_LINES)

    @on(LineTable.CursorMoved)
    def _tell_moved(self, event: LineTable.CursorMoved) -> None:
        if event.table_id == "troubles":
            self._tell_trouble()

    def _tell_trouble(self) -> None:
        """Shows the trouble under the cursor in full, unless its row has room for that, or there is none at all."""
        chosen = next((each for each in self.found if trouble_id(each) == self._troubles.cursor_id), None)
        is_told = self._troubles.is_cut and not self.has_class("short")
        self._sentence.say(trouble_sentence(chosen) if chosen and is_told else None)
