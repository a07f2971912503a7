"""Each page and each state of the dashboard, over one cluster at one time, as it was looked at and kept."""

from dataclasses import dataclass, replace

import pytest
from textual.pilot import Pilot

from monitor.core.snapshot import Snapshot
from monitor.tui.app import ClusterMonitor
from tests.monitor.examples import CLUSTER, LETTERS
from tests.monitor.fakes import FakeClock, ListedLetters, ScriptedSource
from tests.monitor.screen import check_golden, check_golden_svg, wait_for_text

SIZES = [(80, 24), (120, 30), (160, 48)]

pytestmark = pytest.mark.usefixtures("utc")


@dataclass(frozen=True)
class Scene:
    """What is pressed and what comes of it, then the seconds that pass and what comes of them."""

    keys: tuple[str, ...]
    shows: tuple[str, ...]
    seconds: float = 0.0
    then: str = ""
    snapshot: Snapshot = CLUSTER
    interval_seconds: float = 0.1


SCENES = {
    "overview": Scene((), ("● live", "Trouble (")),
    "workers": Scene(("2",), ("● live", "[2 Workers]", "gpu-02-7")),
    "lanes": Scene(("3",), ("● live", "[3 Queues]", "392")),
    "tasks": Scene(("4",), ("● live", "[4 Tasks]", "7f3a11d2")),
    "letters": Scene(("5",), ("● live", "[5 Dead]", "DeviceOutOfMemory")),
    "models": Scene(("6",), ("● live", "[6 Models]", "chat-8b")),
    "redis": Scene(("7",), ("● live", "[7 Redis]", "noeviction")),
    "help": Scene(("question_mark",), ("● live", "◇ control")),
    "filtered": Scene(("2", "slash", *"zz", "enter"), ("Nothing matches zz: esc clears the filter",)),
    "paused": Scene(("p",), ("‖ paused",), 7, "‖ Paused, data of 7s ago"),
    "slow": Scene((), ("● live", "gpu-01-42"), 605, "▲ No answer for 10m05s", interval_seconds=600.0),
    "empty": Scene((), ("● live", "No workers yet"), snapshot=Snapshot(at=1000.0)),
    "down": Scene(
        *((), ("✖ down", "gpu-01-42"), 14, "(for 14s) - showing the last"),
        replace(CLUSTER, error="Redis does not answer at gpu-hub:6379"),
    ),
    "never-answered": Scene(
        *((), ("✖ down",), 5, "(for 5s) - trying again"),
        Snapshot(error="Redis does not answer at gpu-hub:6379"),
    ),
}

#: Those of which the colours are kept too.
PICTURES = ["overview", "slow", "down"]


async def come_to(pilot: Pilot[None], scene: Scene, clock: FakeClock) -> None:
    """Waits until the scene is on the screen."""
    await wait_for_text(pilot, "Overview", "q Quit", scene.shows[0] if not scene.keys else "gpu-01-42")
    await pilot.press(*scene.keys)
    await wait_for_text(pilot, *scene.shows)
    clock.now += scene.seconds
    await wait_for_text(pilot, scene.then)


def app_of(scene: Scene, clock: FakeClock) -> ClusterMonitor:
    source = ScriptedSource(scene.snapshot)
    return ClusterMonitor(source, scene.interval_seconds, clock, letters=ListedLetters(LETTERS))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SCENES)
async def test_each_page_and_state_looks_as_it_was_looked_at(name: str, size: tuple[int, int]) -> None:
    clock = FakeClock()
    async with app_of(SCENES[name], clock).run_test(size=size) as pilot:
        await come_to(pilot, SCENES[name], clock)
        await check_golden(pilot, f"{name}-{size[0]}x{size[1]}")


@pytest.mark.parametrize("name", PICTURES)
async def test_its_colours_are_those_that_were_looked_at(name: str) -> None:
    clock = FakeClock()
    async with app_of(SCENES[name], clock).run_test(size=(120, 30)) as pilot:
        await come_to(pilot, SCENES[name], clock)
        await check_golden_svg(pilot, f"{name}-120x30")
