"""`python -m scripts.draw_pictures`: draws docs/pictures/*.svg, the dashboard that watches the demo's cluster."""

import asyncio
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from monitor.core.demo.cluster import DemoSource
from monitor.tui.app import ClusterMonitor

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"

#: When the demo is looked at, and after how many seconds: most is wrong then.
NOW, SECONDS = 1_767_268_800.0, 400.0

#: For the first reading to come and each key to be answered.
SETTLE_SECONDS = 2.0


@dataclass(frozen=True)
class Picture:
    """A file, the keys that lead to what it shows, and the terminal's columns and lines."""

    name: str
    keys: tuple[str, ...]
    size: tuple[int, int]


PICTURES = (
    Picture("monitor", (), (118, 32)),
    Picture("monitor-queues", ("3",), (118, 22)),
    Picture("monitor-letters", ("5",), (118, 18)),
    Picture("monitor-models", ("6",), (118, 15)),
    Picture("monitor-worker", ("2", "slash", *"2036", "enter", "enter"), (118, 31)),
)


def main() -> None:
    """Draws them all, in the same time zone everywhere."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        path = FOLDER / f"{picture.name}.svg"
        path.write_text(asyncio.run(draw(picture)), encoding="utf-8")
        print(path)


async def draw(picture: Picture) -> str:
    """The dashboard as SVG."""
    demo = DemoSource(lambda: NOW, head_start_seconds=SECONDS)
    app = ClusterMonitor(
        demo, clock=lambda: 0.0, letters=demo.operator, tasks=demo.tasks, actions=demo.actions, may_act=True
    )
    async with app.run_test(size=picture.size) as pilot:
        await pilot.pause(SETTLE_SECONDS)
        await pilot.press(*picture.keys)
        await pilot.pause(SETTLE_SECONDS)
        drawn = app.export_screenshot(title="python -m monitor --demo")
    # Rich names what it draws by a number of its own.
    return re.sub(r"terminal-\d+", "terminal", drawn)


if __name__ == "__main__":
    main()
