"""What a running app shows, as text."""

import io
import time
from collections.abc import Callable

from rich.console import Console
from textual.app import App
from textual.pilot import Pilot


def screen_text(app: App[None]) -> str:
    """The screen's lines; the one place that asks Textual for something private."""
    width, height = app.size
    console = Console(
        width=width, height=height, file=io.StringIO(), record=True, force_terminal=True, legacy_windows=False
    )
    console.print(app.screen._compositor.render_update(full=True))
    return console.export_text()


async def wait_for_text(pilot: Pilot[None], *texts: str) -> str:
    """The screen as soon as it shows all of the texts."""
    await wait_for(pilot, lambda: all(text in screen_text(pilot.app) for text in texts), f"the screen shows {texts}")
    return screen_text(pilot.app)


async def wait_for(pilot: Pilot[None], condition: Callable[[], object], description: str) -> None:
    """Returns as soon as `condition` holds while the app goes on."""
    deadline = time.monotonic() + 30.0
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within 30 s: {description}; the screen:\n{screen_text(pilot.app)}")
        await pilot.pause(0.02)
