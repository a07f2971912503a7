"""The next model's files are read ahead where that helps, and nothing comes of it where it does not."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.engine import prefetch
from actors.engine.prefetch import Prefetch
from actors.errors import ModelNotFound
from actors.model_store.stored_model import StoredModel, verify
from tests.model_store.folders import write_model
from tests.waiting import wait_until

PLENTY = 10**12


@pytest.fixture
def stored(tmp_path: Path) -> StoredModel:
    """A small model."""
    return verify("org/name", "main", write_model(tmp_path / "root" / "model"), tmp_path / "root")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models whose files were read to their end."""
    names: list[str] = []
    read_file = Prefetch._read_file

    def noted(self: Prefetch, file: Path, stored: StoredModel) -> bool:
        is_read = read_file(self, file, stored)
        names.extend([stored.name] * is_read)
        return is_read

    monkeypatch.setattr(Prefetch, "_read_file", noted)
    return names


@pytest.fixture
def start(stored: StoredModel) -> Iterator[Callable[..., Prefetch]]:
    """Starts the thread; the model is found under any name, may be read, and there is memory unless the test says."""
    started: list[Prefetch] = []

    def start(
        find: Callable[[str], StoredModel | None] = lambda name: stored,
        may_read: Callable[[StoredModel], bool] = lambda model: True,
        spare_bytes: int = PLENTY,
    ) -> Prefetch:
        made = Prefetch(find, may_read, lambda: spare_bytes)
        made.start()
        started.append(made)
        return made

    yield start
    for one in started:
        one.stop()
        one._thread.join()


def test_the_model_that_is_expected_is_read(start: Callable[..., Prefetch], read: list[str]) -> None:
    start().expect("org/name")

    wait_until(lambda: read == ["org/name"], "it is read")


def test_a_model_that_was_just_read_is_not_read_again(
    start: Callable[..., Prefetch], read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = start()
    ahead.expect("org/name")
    wait_until(lambda: ahead._read_at, "it is read")
    ahead.expect("org/name")
    ahead.expect("org/other")
    wait_until(lambda: "org/other" in ahead._read_at, "another one is read")
    assert len(read) == 2

    monkeypatch.setattr(prefetch, "REPEAT_SECONDS", 0)
    ahead.expect("org/name")

    wait_until(lambda: len(read) == 3, "it is read again later")


def test_the_latest_expectation_counts(start: Callable[..., Prefetch]) -> None:
    asked: list[str] = []
    may_find = threading.Event()

    def find(name: str) -> None:
        asked.append(name)
        may_find.wait(30)

    ahead = start(find)
    ahead.expect("first")
    wait_until(lambda: asked, "the first is looked for")
    ahead.expect("second")
    ahead.expect("third")
    may_find.set()

    wait_until(lambda: asked == ["first", "third"], "what was overtaken is not looked for")


def test_nothing_is_read_while_memory_is_short_or_a_load_goes_on(
    start: Callable[..., Prefetch], stored: StoredModel, read: list[str]
) -> None:
    is_loading = threading.Event()
    is_loading.set()
    asked: list[str] = []

    def may_read(model: StoredModel) -> bool:
        asked.append(model.name)
        return not is_loading.is_set()

    start(spare_bytes=stored.weights_bytes - 1).expect("org/name")
    ahead = start(may_read=may_read)
    ahead.expect("org/name")
    wait_until(lambda: asked, "it was about to be read")
    assert read == []

    is_loading.clear()
    ahead.expect("org/name")

    wait_until(lambda: read == ["org/name"], "it is read when it is expected again")


def test_reading_ends_when_something_more_important_comes(
    start: Callable[..., Prefetch], read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefetch, "PIECE_BYTES", 8)
    pieces: list[int] = []

    def may_read(model: StoredModel) -> bool:
        pieces.append(1)
        return len(pieces) < 3

    ahead = start(may_read=may_read)
    ahead.expect("org/name")
    wait_until(lambda: len(pieces) == 3, "a load has begun")
    ahead.stop()
    ahead._thread.join()

    assert read == []


@pytest.mark.parametrize("error", [ModelNotFound("org/name is not there"), OSError("the share is away"), KeyError()])
def test_what_cannot_be_read_does_no_harm(
    start: Callable[..., Prefetch], stored: StoredModel, error: Exception, read: list[str]
) -> None:
    def find(name: str) -> StoredModel:
        if name == "wrong":
            raise error
        return stored

    ahead = start(find)
    ahead.expect("wrong")
    wait_until(lambda: "wrong" in ahead._read_at, "it failed")
    ahead.expect("org/name")

    wait_until(lambda: read == ["org/name"], "the next one is read")
