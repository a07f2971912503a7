import re
from pathlib import Path

import pytest

from monitor.core.ascii import to_ascii
from monitor.core.demo.cluster import DemoSource
from monitor.core.formatting import cell_width
from monitor.core.recorded_source import ReplaySource
from monitor.tui.app import ClusterMonitor
from monitor.tui.line_table import LineTable
from monitor.tui.tab_line import TabLine
from tests.monitor.demo_example import demo_snapshot
from tests.monitor.examples import CLUSTER
from tests.monitor.fakes import FakeClock, ScriptedSource
from tests.monitor.hostile import HOSTILE_STRINGS
from tests.monitor.screen import check_golden, golden_svg, screen_text, wait_for, wait_for_text
from tests.monitor.test_recording import recorded

SIZES = [(80, 24), (120, 30), (160, 48)]

#: Selecting graphics: everything off, bold, dim, italic, underlined, reversed, their ends, and the default colours.
COLOURLESS = {"", "0", "1", "2", "3", "4", "7", "22", "23", "24", "27", "39", "49"}


def monitor(source: ScriptedSource | ReplaySource, *, ascii_only: bool = False) -> ClusterMonitor:
    return ClusterMonitor(source, 0.1, FakeClock(), ascii_only=ascii_only)


def demo() -> ScriptedSource:
    source = ScriptedSource(demo_snapshot())
    source.state, source.address = "demo", DemoSource.address
    return source


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", ["overview", "models"])
async def test_the_demo_looks_as_it_was_looked_at(utc: None, page: str, size: tuple[int, int]) -> None:
    async with monitor(demo()).run_test(size=size) as pilot:
        await wait_for_text(pilot, "● demo", "gpu-01-1000")
        await pilot.press("1" if page == "overview" else "6")
        await wait_for_text(pilot, "● demo", "Trouble (" if page == "overview" else "Models (", "q Quit")
        await check_golden(pilot, f"demo-{page}-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES)
async def test_in_ascii_nothing_else_is_drawn(utc: None, size: tuple[int, int]) -> None:
    async with monitor(demo(), ascii_only=True).run_test(size=size) as pilot:
        text = await wait_for_text(pilot, "# demo", "gpu-01-1000", "X lost", "q Quit")
        assert text.isascii()
        await check_golden(pilot, f"demo-ascii-{size[0]}x{size[1]}")

        for key, words in (("question_mark", "~ loading"), ("enter", "last beat")):
            await pilot.press(key)
            assert (await wait_for_text(pilot, words)).isascii()
            await pilot.press("escape")


async def test_a_theme_chosen_later_looks_like_one_chosen_at_the_start(utc: None) -> None:
    light, other = monitor(ScriptedSource(CLUSTER)), monitor(ScriptedSource(CLUSTER))
    light.theme = "textual-light"
    async with light.run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "● live", "gpu-01-42")
        await pilot.pause()
        wanted = golden_svg(light)

    async with other.run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "● live", "gpu-01-42")
        other.theme = "textual-light"
        await wait_for(pilot, lambda: golden_svg(other) == wanted, "it looks like the first")


@pytest.mark.parametrize("text", [*HOSTILE_STRINGS, "▁▂▃▄▅▆▇█", "╭─╮│"])
def test_ascii_takes_as_many_cells(text: str) -> None:
    assert to_ascii(text).isascii()
    assert len(to_ascii(text)) == cell_width(text)


@pytest.mark.parametrize("size", SIZES)
async def test_with_no_color_there_is_no_colour_and_no_other_text(
    utc: None, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async with monitor(demo()).run_test(size=size) as pilot:
        await wait_for_text(pilot, "● demo", "gpu-01-1000", "Trouble (", "q Quit")
        assert colours(screen_text(pilot.app, styled=True)) <= COLOURLESS
        await check_golden(pilot, f"demo-overview-{size[0]}x{size[1]}")


async def test_without_it_there_are_colours() -> None:
    async with monitor(demo()).run_test() as pilot:
        await wait_for_text(pilot, "● demo", "gpu-01-1000")
        assert not colours(screen_text(pilot.app, styled=True)) <= COLOURLESS


def colours(styled: str) -> set[str]:
    """The codes that a terminal would be sent for styles."""
    return {code for codes in re.findall(r"\x1b\[([\d;]*)m", styled) for code in codes.split(";")}


@pytest.mark.parametrize("size", SIZES)
async def test_a_replay_says_so_and_where_it_ends(utc: None, tmp_path: Path, size: tuple[int, int]) -> None:
    source = ReplaySource(recorded(tmp_path, *[CLUSTER] * 3))
    source.address = "gpu-hub:6379 in monitor.jsonl.gz"

    async with monitor(source).run_test(size=size) as pilot:
        await wait_for_text(
            pilot, "■ replay", "■ The recording ends here, at 1970-01-01 00:16:40", "gpu-01-42", "q Quit"
        )
        await check_golden(pilot, f"replay-{size[0]}x{size[1]}")

        await pilot.press("5")
        await wait_for_text(pilot, "Recordings hold the number of dead letters")


async def test_a_replay_can_be_paused_and_nothing_be_changed(tmp_path: Path) -> None:
    source = ReplaySource(recorded(tmp_path, *[CLUSTER] * 200))

    async with monitor(source).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "▶ replay", "▶ Replay of ", "read-only", "gpu-01-42")
        await pilot.press("p")
        await wait_for_text(pilot, "‖ paused")


async def test_a_click_moves_the_cursor_and_two_open_the_row() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("2")
        table = pilot.app.screen.query_one("#all-workers", LineTable)
        await pilot.click(table, offset=(20, 3))
        assert table.cursor_id == "gpu-01-42"

        await pilot.click(table, offset=(20, 20))
        assert table.cursor_id == "gpu-01-42"

        await pilot.click(table, offset=(20, 4), times=2)
        await wait_for_text(pilot, "gpu-02-7", "esc closes", "process 42")


async def test_a_click_on_a_title_sorts_and_the_next_turns_the_order() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("2")
        table = pilot.app.screen.query_one("#all-workers", LineTable)
        await pilot.click(table, offset=(16, 1))
        await wait_for_text(pilot, "by worker")
        await pilot.click(table, offset=(16, 1))
        await wait_for_text(pilot, "by worker turned")
        await pilot.click(table, offset=(2, 1))
        assert table.view.sort == "worker"


@pytest.mark.parametrize("width", [60, 120])
async def test_a_click_on_the_name_of_a_page_opens_it(width: int) -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(width, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        for number, name in ((2, "Workers"), (6, "Models"), (7, "Redis"), (1, "Overview")):
            line = screen_text(pilot.app).splitlines()[1]
            await pilot.click(TabLine, offset=(line.index(str(number)), 0))
            await wait_for_text(pilot, f"[{number} {name}]")

        await pilot.click(TabLine, offset=(screen_text(pilot.app).splitlines()[1].index("read-only"), 0))
        await wait_for_text(pilot, "[1 Overview]")


async def test_plus_and_minus_change_how_often_is_read() -> None:
    app = ClusterMonitor(ScriptedSource(CLUSTER), 1.0, FakeClock())
    async with app.run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("plus")
        await wait_for(pilot, lambda: told(app, "Reads every 0.5 s"), "the rate is told")
        await pilot.press(*["minus"] * 9)
        await wait_for(pilot, lambda: told(app, "Reads every 10 s"), "the slowest rate is told")
        await pilot.press(*["plus"] * 9)
        await wait_for(pilot, lambda: told(app, "Reads every 0.1 s"), "the fastest rate is told")


async def test_themes_change_with_a_key() -> None:
    app = monitor(ScriptedSource(CLUSTER))
    async with app.run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        before = app.theme
        await pilot.press("T")
        await wait_for(pilot, lambda: app.theme != before and told(app, f"Theme {app.theme}"), "another theme")


def told(app: ClusterMonitor, text: str) -> bool:
    return any(text in each.message for each in app._notifications)
