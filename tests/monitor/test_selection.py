"""The cursor and the marks stay on what they are about, whatever happens to the rows."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from monitor.core.selection import Selection
from monitor.core.snapshot import Liveness, Snapshot, WorkerView
from monitor.core.view import View
from monitor.core.worker_table import ORDERS, worker_table
from tests.monitor.cluster import record

NAMES = [f"gpu-{number:02}" for number in range(6)]
RECORDS = {name: record(name, done=number % 4) for number, name in enumerate(NAMES)}
LIVENESS: tuple[Liveness, ...] = ("live", "late", "lost")
SNAPSHOTS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(LIVENESS))
VIEWS = st.builds(View, st.sampled_from(["", "-gpu-01", "-late", "lost", "gpu-02"]), st.sampled_from(list(ORDERS)))


def followed(selection: Selection, *ids: str, hidden: tuple[str, ...] = ()) -> str | None:
    """What the cursor is on when these rows are shown and others are hidden."""
    selection.follow(ids, lambda: (*ids, *hidden))
    return selection.cursor_id


def test_a_cursor_that_was_never_moved_stays_on_the_first_row_it_was_shown_on() -> None:
    selection = Selection()

    assert followed(selection) is None
    assert followed(selection, "a", "b") == "a"
    assert followed(selection, "b", "a") == "a"


def test_the_cursor_of_a_hidden_row_waits_on_a_neighbour_and_goes_back() -> None:
    selection = Selection()
    followed(selection, "a", "b", "c", "d")
    selection.move(2)

    assert followed(selection, "a", "d", hidden=("b", "c")) == "d"
    assert followed(selection, "d", "a", hidden=("b", "c")) == "d"
    assert followed(selection, hidden=("a", "b", "c", "d")) is None
    assert followed(selection, "a", "b", "c", "d") == "c"


def test_the_cursor_of_a_row_that_has_gone_stays_on_its_neighbour() -> None:
    selection = Selection()
    followed(selection, "a", "b", "c")
    selection.move(1)

    assert followed(selection, "a", "c") == "c"
    assert followed(selection, "a", "b", "c") == "c"


def test_marks_that_are_hidden_are_kept_and_neither_chosen_nor_forgotten() -> None:
    selection = Selection()
    followed(selection, "a", "b", "c")
    selection.mark(["a", "c"])

    followed(selection, "b", "c", hidden=("a",))
    assert (selection.chosen_ids, selection.hidden_marks) == (("c",), 1)

    followed(selection, "b", "c")
    followed(selection, "a", "b", "c")
    assert (selection.chosen_ids, selection.hidden_marks) == (("c",), 0)


class Watching(RuleBasedStateMachine):
    """Somebody who moves, marks, sorts and filters while workers come, go, and become late or lost."""

    def __init__(self) -> None:
        super().__init__()
        self.selection, self.snapshot, self.view = Selection(), Snapshot(at=0.0), View()
        self.wanted: str | None = None
        self.marked: set[str] = set()
        self.read(dict.fromkeys(NAMES, "live"))

    @rule(workers=SNAPSHOTS)
    def read(self, workers: dict[str, Liveness]) -> None:
        """Another reading; what has gone is neither wanted nor marked any more."""
        views = (WorkerView(name, liveness, 1.0, RECORDS[name]) for name, liveness in workers.items())
        self.snapshot = replace(self.snapshot, workers=tuple(views))
        self.wanted = self.wanted if self.wanted in workers else None
        self.marked &= workers.keys()
        self._show()

    @rule(name=st.sampled_from(NAMES))
    def leave(self, name: str) -> None:
        """One worker says goodbye."""
        self.read({worker.worker_id: worker.liveness for worker in self.snapshot.workers if worker.worker_id != name})

    @rule(view=VIEWS, is_reversed=st.booleans())
    def look(self, view: View, is_reversed: bool) -> None:
        """Another filter and order."""
        self.view = replace(view, is_reversed=is_reversed)
        self._show()

    @rule(rows=st.integers(-7, 7))
    def move(self, rows: int) -> None:
        """The cursor goes where somebody puts it."""
        self.selection.move(rows)
        self.wanted = self.selection.cursor_id or self.wanted

    @rule()
    def mark(self) -> None:
        """A mark comes, or goes."""
        if (row_id := self.selection.cursor_id) is not None:
            self.marked ^= {row_id}
        self.selection.mark_and_move()
        self.wanted = self.selection.cursor_id or self.wanted

    @invariant()
    def the_cursor_is_on_what_was_wanted_wherever_that_is_shown(self) -> None:
        if self.wanted in self.selection.ids:
            assert self.selection.cursor_id == self.wanted
        assert (self.selection.cursor_id is None) == (not self.selection.ids)

    @invariant()
    def marked_is_what_somebody_marked(self) -> None:
        assert self.selection.marks == self.marked
        assert self.selection.hidden_marks == len(self.marked.difference(self.selection.ids))

    def _show(self) -> None:
        before = self.selection.cursor_id
        everything = worker_table(self.snapshot, replace(self.view, words="")).ids
        self.selection.follow(worker_table(self.snapshot, self.view).ids, lambda: everything)
        if self.wanted is None:
            self.wanted = self.selection.cursor_id
        elif self.wanted not in self.selection.ids and before in self.selection.ids:
            assert self.selection.cursor_id == before


TestWatching = Watching.TestCase
TestWatching.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
