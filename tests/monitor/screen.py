"""What a running app shows, as text."""

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from textual.app import App
from textual.pilot import Pilot


def screen_text(app: App[None], *, styled: bool = False) -> str:
    """The screen's lines, with their styles if wanted; the one place that asks Textual for something private."""
    width, height = app.size
    console = Console(
        width=width,
        height=height,
        file=io.StringIO(),
        record=True,
        force_terminal=True,
        legacy_windows=False,
        color_system="truecolor",
    )
    console.print(app.screen._compositor.render_update(full=True))
    return console.export_text(styles=styled)


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


async def check_golden(pilot: Pilot[None], name: str) -> None:
    """The screen comes to be the one that was looked at and kept; UPDATE_GOLDEN=1 keeps it anew."""
    await _check_kept(pilot, f"{name}.txt", golden_text)


async def check_golden_svg(pilot: Pilot[None], name: str) -> None:
    """The same with its colours, as a picture."""
    await _check_kept(pilot, f"{name}.svg", golden_svg)


async def _check_kept(pilot: Pilot[None], file_name: str, draw: Callable[[App[None]], str]) -> None:
    path = Path(__file__).parent / "golden" / file_name
    if os.environ.get("UPDATE_GOLDEN"):
        await pilot.pause()
        path.parent.mkdir(exist_ok=True)
        path.write_text(draw(pilot.app), encoding="utf-8")
    assert path.exists(), f"{path} is missing: look at the screen, then set UPDATE_GOLDEN=1\n{golden_text(pilot.app)}"
    kept = path.read_text(encoding="utf-8")
    await wait_for(pilot, lambda: draw(pilot.app) == kept, f"the screen is {path}; UPDATE_GOLDEN=1 keeps it")


def golden_text(app: App[None]) -> str:
    return "\n".join(line.rstrip() for line in screen_text(app).splitlines()) + "\n"


def golden_svg(app: App[None]) -> str:
    return app.export_screenshot(title="golden") + "\n"
