"""The table draws what has changed, and has the screen laid out where that matters."""

from dataclasses import replace

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from monitor.core.snapshot import Snapshot, WorkerView
from monitor.core.worker_table import worker_table
from monitor.tui.line_table import LineTable
from tests.monitor.cluster import record
from tests.monitor.screen import screen_text, wait_for

SIZE = (120, 9)


def worker(number: int, done: int = 0) -> WorkerView:
    name = f"gpu-{number:02}"
    return WorkerView(name, "live", 60.0, record(name, done=done, started_at=0.0))


def reading(workers: int) -> Snapshot:
    return Snapshot(at=60.0, workers=tuple(map(worker, range(workers))))


class OneTable(App[None]):
    CSS = "LineTable { height: 1fr; border-top: solid white; } .auto { height: auto; }"

    def __init__(self) -> None:
        super().__init__()
        self.table = LineTable("Workers", worker_table, id="workers")
        self.drawn: list[int] = []
        render_line = self.table.render_line

        def note(y: int) -> object:
            self.drawn.append(y)
            return render_line(y)

        self.table.render_line = note  # type: ignore[method-assign, assignment]  # the table's own, watched

    def compose(self) -> ComposeResult:
        yield self.table


async def test_only_lines_that_have_changed_are_drawn() -> None:
    app, before = OneTable(), reading(4)
    async with app.run_test(size=SIZE) as pilot:
        app.table.show(before)
        await wait_for(pilot, lambda: "gpu-03" in screen_text(app), "the rows are shown")
        app.drawn.clear()

        app.table.show(replace(before, workers=(*before.workers[:2], worker(2, done=77), before.workers[3])))
        await wait_for(pilot, lambda: " 77 " in screen_text(app), "the change is shown")

    assert set(app.drawn) == {3}


async def test_lines_that_were_drawn_before_the_table_knew_its_size_are_drawn_when_they_change() -> None:
    app = OneTable()
    async with app.run_test(size=SIZE) as pilot:
        for at in (61.0, 62.0, 63.0):
            app.table.show(replace(reading(2), at=at))
            await wait_for(pilot, lambda at=at: f" {at - 60:.0f}s" in screen_text(app), "its age is shown")
        await pilot.resize_terminal(100, 8)
        app.table.show(replace(reading(2), at=69.0))
        await wait_for(pilot, lambda: " 9s" in screen_text(app), "its age is shown")


@pytest.mark.parametrize(
    ("rows", "is_auto", "layouts"),
    [
        ((9, 12), False, 0),
        ((2, 3), False, 0),
        ((2, 2), True, 0),
        ((2, 3), True, 1),
        ((3, 9), False, 1),
        ((12, 9), False, 1),
    ],
    ids=["more to scroll", "room for all", "as many", "higher", "a scrollbar comes", "fewer"],
)
async def test_the_screen_is_laid_out_anew_only_for_rows_that_may_change_it(
    rows: tuple[int, int], is_auto: bool, layouts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, seen = OneTable(), list[bool]()
    async with app.run_test(size=SIZE) as pilot:
        app.table.set_class(is_auto, "auto")
        app.table.show(reading(rows[0]))
        await wait_for(pilot, lambda: f"({rows[0]})" in screen_text(app), "the first rows are shown")
        await pilot.pause()
        refresh = app.table.refresh

        def note(*regions: Region, layout: bool = False) -> LineTable:
            seen.append(layout)
            return refresh(*regions, layout=layout)

        monkeypatch.setattr(app.table, "refresh", note)

        app.table.show(reading(rows[1]))
        await wait_for(pilot, lambda: f"({rows[1]})" in screen_text(app), "the others are shown")

    assert sum(seen) == layouts


async def test_the_scrollbar_tells_of_rows_that_came_without_a_layout() -> None:
    app = OneTable()
    async with app.run_test(size=SIZE) as pilot:
        app.table.show(reading(9))
        await wait_for(pilot, lambda: app.table.show_vertical_scrollbar, "there is a scrollbar")

        app.table.show(reading(40))
        await wait_for(pilot, lambda: app.table.vertical_scrollbar.window_virtual_size == 41, "it knows of all rows")
        await pilot.press("end")
        await wait_for(pilot, lambda: "gpu-39" in screen_text(app), "the last can be seen")
