"""A shared folder that hangs holds up nobody but those who need what is in it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.errors import LoadTimedOut, ModelNotFound, StoreUnreachable, WorkerStopping
from actors.model_store import folder_questions
from actors.model_store.model_store import ModelStore
from actors.model_store.reference import ModelReference
from actors.model_store.shared_folder import SharedFolder
from actors.model_store.stored_model import StoredModel
from settings.config import Settings
from tests.model_store.folders import write_model
from tests.model_store.hub_server import HubServer
from tests.waiting import wait_until

MODEL = ModelReference("org/a-model")
SECONDS = 20.0


class Share:
    """Hangs when it is looked into, until it is told to answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_answer, self.questions = threading.Event(), 0
        look_up = SharedFolder._look_up

        def hang(folder: SharedFolder, reference: ModelReference) -> StoredModel:
            self.questions += 1
            self.may_answer.wait()
            return look_up(folder, reference)

        monkeypatch.setattr(SharedFolder, "_look_up", hang)


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> Iterator[Share]:
    monkeypatch.setattr(folder_questions, "PATIENCE_SECONDS", 0.01)
    share = Share(monkeypatch)
    yield share
    share.may_answer.set()


@pytest.fixture
def new_store(tmp_path: Path) -> Iterator[Callable[..., ModelStore]]:
    stores: list[ModelStore] = []
    (tmp_path / "models").mkdir()

    def make(**settings: object) -> ModelStore:
        chosen = {"model_manager_path": tmp_path / "models", "state_dir": tmp_path} | settings
        stores.append(ModelStore(Settings(_env_file=None, **chosen)))
        return stores[-1]

    yield make
    for store in stores:
        store.stop()


def test_whoever_asks_a_folder_that_hangs_has_the_answer_when_it_comes(
    share: Share, new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    write_model(tmp_path / "models" / MODEL.name)
    store = new_store()

    asked = [store.find(MODEL) for _ in range(3)]

    assert not any(each.done() for each in asked)
    wait_until(lambda: store.arriving, "it is told")
    assert [each.phase for each in store.arriving] == ["asking the folder"]
    share.may_answer.set()
    assert {each.result(SECONDS).name for each in asked} == {MODEL.name}
    assert share.questions == 1


def test_a_folder_that_hangs_is_asked_no_more_after_many_questions(
    share: Share, new_store: Callable[..., ModelStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_questions, "MOST_QUESTIONS", 2)
    store = new_store()

    asked = [store.find(ModelReference(f"org/{number}")) for number in range(3)]

    assert [each.done() for each in asked] == [False, False, True]
    with pytest.raises(StoreUnreachable, match="does not answer"):
        asked[2].result()


def test_one_that_waits_for_a_folder_that_hangs_gives_up_after_the_time_of_a_load(
    share: Share, new_store: Callable[..., ModelStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = new_store(model_load_timeout=600).find(MODEL)
    with pytest.raises(TimeoutError):
        asked.wait(0.05)

    monkeypatch.setattr(type(asked.progress), "seconds", property(lambda _: 601.0))

    with pytest.raises(LoadTimedOut, match=r"asking the folder"):
        asked.wait(SECONDS)


def test_whoever_waits_for_a_folder_that_hangs_is_told_when_the_store_stops(
    share: Share, new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    write_model(tmp_path / "models" / MODEL.name)
    store = new_store()
    asked = store.find(MODEL)

    store.stop()

    late = store.find(MODEL)
    for each in (asked, late):
        with pytest.raises(WorkerStopping):
            each.result(0)
    assert store.arriving == ()
    share.may_answer.set()
    wait_until(lambda: not [each for each in threading.enumerate() if each.name == "folder-question"], "all answered")
    assert isinstance(asked.exception(), WorkerStopping)


def test_a_store_that_has_stopped_still_tells_what_a_folder_says_at_once(
    new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    write_model(tmp_path / "models" / MODEL.name)
    store = new_store()

    store.stop()

    assert store.find(MODEL).result(0).name == MODEL.name


def test_the_server_is_asked_when_a_slow_folder_has_nothing(
    share: Share, new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    write_model(tmp_path / "served" / MODEL.name)
    with HubServer(tmp_path / "served") as hub:
        store = new_store(model_manager_url=hub.url, model_cache_path=tmp_path / "cache")
        asked = store.find(MODEL)
        assert not hub.requests

        share.may_answer.set()

        assert asked.result(SECONDS).revision == hub.commit(MODEL.name)
        with pytest.raises(ModelNotFound):
            store.find(ModelReference("org/unknown")).result(SECONDS)


def test_a_model_of_the_server_does_not_wait_for_the_folder_each_time(
    share: Share, new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    write_model(tmp_path / "served" / MODEL.name)
    with HubServer(tmp_path / "served") as hub:
        store = new_store(model_manager_url=hub.url, model_cache_path=tmp_path / "cache")
        share.may_answer.set()
        store.find(MODEL).result(SECONDS)
        store.find(MODEL).result(SECONDS)
        share.may_answer.clear()

        assert store.find(MODEL).done()
