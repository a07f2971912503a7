from typing import Any

import pytest
from textual.app import App, ComposeResult

from monitor.core.table import Cell
from monitor.tui.banner import Banner


class OneBanner(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.banner = Banner()

    def compose(self) -> ComposeResult:
        yield self.banner


@pytest.mark.parametrize(
    ("words", "drawn"),
    [("No answer for 9s", []), ("No answer for 8s", [False]), ("No answer for 10s", [True])],
    ids=["the same", "as wide", "wider"],
)
async def test_the_screen_is_laid_out_anew_only_for_words_that_may_need_another_room(
    words: str, drawn: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, layouts = OneBanner(), list[bool]()
    async with app.run_test() as pilot:
        app.banner.say(Cell("No answer for 9s", "warn"))
        await pilot.pause()

        def note(content: Any = "", *, layout: bool = True) -> None:
            layouts.append(layout)

        monkeypatch.setattr(app.banner, "update", note)
        app.banner.say(Cell(words, "warn"))

    assert layouts == drawn
