"""The commands of the palette: the keys of the table, and what there is to go to."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode

from monitor.core.formatting import printable
from monitor.core.snapshot import Snapshot
from monitor.tui.keys import KEYS, Key

#: So many workers, lanes and models are offered.
MOST_PLACES = 20

#: Keys that nobody looks for by name.
_SILENT = ("move", "command_palette")


class Watched(Protocol):
    """The app, as the palette needs it."""

    snapshot: Snapshot

    def go_to(self, kind: str, name: str) -> None:
        """Shows a worker, lane or model."""


class KeyCommands(Provider):
    """What the keys of the screen below can do now."""

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for key, run in self._commands():
            yield DiscoveryHit(_display(key), run, text=key.label, help=key.help)

    async def search(self, query: str) -> Hits:
        """Those whose words match; texts of others are shown as they are, so that nothing in them is read as markup."""
        matcher = self.matcher(query)
        for key, run in self._commands():
            if (score := matcher.match(f"{key.label} {key.help}")) > 0:
                yield Hit(score, _display(key), run, text=key.label, help=key.help)

    def _commands(self) -> Iterator[tuple[Key, Callable[[], Any]]]:
        for key in KEYS:
            target = self._target(key)
            is_loud = not key.action.startswith(_SILENT)
            if is_loud and target is not None and target.check_action(key.action, ()):
                yield key, partial(self.app.run_action, key.action, target)

    def _target(self, key: Key) -> DOMNode | None:
        """What has the key: the app, the screen, or the table with the cursor."""
        if key.place in ("app", "pages"):
            return self.app if key.place == "app" else self.screen
        focused = self.focused
        bound = getattr(focused, "key_places", ())
        return focused if key.place in bound else None


class PlaceCommands(Provider):
    """The workers, lanes and models by their names."""

    async def search(self, query: str) -> Hits:
        """The best of those that match."""
        matcher, app = self.matcher(query), cast("Watched", self.app)
        scored = ((matcher.match(f"{kind} {name}"), kind, name) for kind, name in _places(app.snapshot))
        for score, kind, name in sorted((hit for hit in scored if hit[0] > 0), reverse=True)[:MOST_PLACES]:
            text = f"{kind} {name}"
            yield Hit(score, Content(text), partial(app.go_to, kind, name), text=text, help=f"shows the {kind}")


def _places(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    yield from (("worker", worker.worker_id) for worker in snapshot.workers if _is_plain(worker.worker_id))
    yield from (("lane", lane.name) for lane in snapshot.lanes if _is_plain(lane.name))
    models = {model.model for each in snapshot.workers if each.record for model in each.record.models}
    yield from (("model", name) for name in models if _is_plain(name))


def _is_plain(name: str) -> bool:
    return name == printable(name)


def _display(key: Key) -> Content:
    return Content(f"{key.label}  ({key.shown})")
