"""Models over HTTP, from a server that does everything that servers do."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest

from actors.errors import (
    LoadTimedOut,
    ModelBroken,
    ModelNotFound,
    ModelRefused,
    ModelTooLarge,
    StoreFull,
    StoreUnreachable,
    WorkerStopping,
)
from actors.model_store import disk_cache, download, model_store, progress, registry
from actors.model_store.disk_cache import DiskCache
from actors.model_store.download import FILES_AT_ONCE
from actors.model_store.model_store import ModelStore
from actors.model_store.origin import Origin
from actors.model_store.reference import ModelReference
from actors.model_store.stored_model import StoredModel
from settings.config import Settings
from tests.model_store.folders import write_model, write_weights
from tests.model_store.hub_server import HubServer
from tests.waiting import wait_until

MODEL = "org/a-model"
SECONDS = 20.0


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    """A server with one model."""
    write_model(tmp_path / "served" / MODEL)
    (tmp_path / "served" / MODEL / "tokenizer.json").write_text("{}", encoding="utf-8")
    with HubServer(tmp_path / "served") as server:
        yield server


@pytest.fixture
def new_store(hub: HubServer, tmp_path: Path) -> Iterator[Callable[..., ModelStore]]:
    """Makes what one process has of the store; all share this host's disk."""
    stores = []

    def make(**settings: object) -> ModelStore:
        chosen = {"model_manager_url": hub.url, "model_cache_path": tmp_path / "cache"} | settings
        stores.append(ModelStore(Settings(_env_file=None, state_dir=tmp_path, **chosen)))
        return stores[-1]

    yield make
    for store in stores:
        store.stop()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(registry, "POLL_SECONDS", 0.01)


def found(store: ModelStore, model: str = MODEL) -> StoredModel:
    return store.find(ModelReference.parse(model)).result(SECONDS)


def test_a_model_comes_at_the_revision_that_its_name_means(
    hub: HubServer, new_store: Callable[..., ModelStore]
) -> None:
    stored = found(new_store())

    assert stored.revision == hub.commit(MODEL)
    assert stored.parameter_count == 6
    assert {path.name for path in stored.folder.iterdir()} == {"config.json", "model.safetensors", "tokenizer.json"}


def test_what_lies_there_is_what_huggingface_hub_would_have_brought(
    hub: HubServer, new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    theirs = huggingface_hub.snapshot_download(MODEL, endpoint=hub.url, cache_dir=tmp_path / "theirs", token=False)

    ours = found(new_store()).folder

    assert {path.name: path.read_bytes() for path in ours.iterdir()} == {
        path.name: path.read_bytes() for path in Path(theirs).iterdir()
    }
    assert huggingface_hub.snapshot_download(MODEL, cache_dir=tmp_path / "cache", local_files_only=True) == str(ours)


def test_pickles_code_and_strange_names_are_never_asked_for(
    hub: HubServer, new_store: Callable[..., ModelStore]
) -> None:
    for name in ("pytorch_model.bin", "modeling.py", "consolidated.safetensors", ".hidden.json"):
        (hub.root / MODEL / name).write_bytes(b"no")

    stored = found(new_store())

    assert {path.name for path in stored.folder.iterdir()} == {"config.json", "model.safetensors", "tokenizer.json"}
    assert not any(hub.asked_for(name) for name in ("pytorch_model.bin", "modeling.py", "consolidated.safetensors"))


def test_a_model_with_pickles_only_is_refused_before_anything_is_fetched(
    hub: HubServer, new_store: Callable[..., ModelStore]
) -> None:
    (hub.root / MODEL / "model.safetensors").rename(hub.root / MODEL / "pytorch_model.bin")

    with pytest.raises(ModelRefused, match=r"only pytorch_model\.bin is there"):
        found(new_store())
    assert not hub.asked_for("config.json")


def test_a_few_files_come_at_a_time(hub: HubServer, new_store: Callable[..., ModelStore]) -> None:
    shards = [f"model-{number}-of-6.safetensors" for number in range(6)]
    for shard in shards:
        write_weights(hub.root / MODEL / shard)
    hub.gate = threading.Event()
    coming = new_store().find(ModelReference.parse(MODEL))

    wait_until(lambda: hub.asked_for(".safetensors") == FILES_AT_ONCE, "as many are asked for as come at a time")
    hub.gate.set()

    stored = coming.result(SECONDS)
    assert {*shards, "model.safetensors"} <= {path.name for path in stored.folder.iterdir()}


def test_a_file_that_cannot_be_had_ends_the_others(hub: HubServer, new_store: Callable[..., ModelStore]) -> None:
    for number in range(3):
        write_weights(hub.root / MODEL / f"model-{number}-of-3.safetensors")
    hub.cut_after_bytes, hub.cuts_left = 0, 100

    with pytest.raises(StoreUnreachable, match="does not come to its end"):
        found(new_store())

    hub.cuts_left = 0
    assert len(list(found(new_store()).folder.glob("*.safetensors"))) == 4


def test_a_cut_download_goes_on_where_it_was_cut(hub: HubServer, new_store: Callable[..., ModelStore]) -> None:
    hub.cut_after_bytes, hub.cuts_left = 20, 2

    assert found(new_store()).parameter_count == 6
    assert hub.ranges == ["bytes=20-", "bytes=40-"]


def test_a_download_that_never_gets_further_can_be_tried_again(
    hub: HubServer, new_store: Callable[..., ModelStore]
) -> None:
    hub.cut_after_bytes, hub.cuts_left = 0, 100

    with pytest.raises(StoreUnreachable, match=r"model\.safetensors does not come to its end"):
        found(new_store())


def test_the_next_process_goes_on_where_an_earlier_one_ended(
    hub: HubServer, new_store: Callable[..., ModelStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 0)
    hub.cut_after_bytes, hub.cuts_left = 30, 1
    with pytest.raises(StoreUnreachable):
        found(new_store())

    assert found(new_store()).parameter_count == 6
    assert hub.ranges == ["bytes=30-"]


def test_wrong_bytes_are_told_and_removed(hub: HubServer, new_store: Callable[..., ModelStore], tmp_path: Path) -> None:
    hub.flips_bytes = True
    with pytest.raises(ModelBroken, match="checksum"):
        found(new_store())
    assert not list((tmp_path / "cache").rglob("model.safetensors*"))

    hub.flips_bytes = False

    assert found(new_store()).parameter_count == 6


def test_each_file_is_read_once_to_be_verified(
    hub: HubServer, new_store: Callable[..., ModelStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, digest_of = list[str](), download.digest_of

    def noted(path: Path, like: str) -> str:
        read.append(path.name)
        return digest_of(path, like)

    monkeypatch.setattr(download, "digest_of", noted)
    found(new_store())

    assert sorted(read) == ["config.json.part", "model.safetensors.part", "tokenizer.json.part"]


def test_each_answer_of_the_server_has_its_error(hub: HubServer, new_store: Callable[..., ModelStore]) -> None:
    for status, error in ((404, ModelNotFound), (403, ModelRefused), (500, StoreUnreachable), (429, StoreUnreachable)):
        hub.status = status
        with pytest.raises(error, match="org/a-model"):
            found(new_store())


def test_a_token_is_needed_where_one_is_asked_for(hub: HubServer, new_store: Callable[..., ModelStore]) -> None:
    hub.token = "a-secret"

    with pytest.raises(StoreUnreachable, match="set MODEL_MANAGER_TOKEN"):
        found(new_store(model_manager_token="wrong"))
    assert found(new_store(model_manager_token="a-secret")).name == MODEL


def test_no_other_server_is_asked_whatever_this_one_says(
    hub: HubServer, new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    with HubServer(tmp_path / "served") as other:
        hub.redirect_to = other.url

        with pytest.raises(ModelRefused, match=r"redirects to 127\.0\.0\.1"):
            found(new_store())
        assert other.requests == []


def test_no_proxy_of_the_environment_is_asked(
    hub: HubServer, new_store: Callable[..., ModelStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert found(new_store()).name == MODEL


def test_what_is_cached_serves_while_the_server_is_away(
    hub: HubServer, new_store: Callable[..., ModelStore], caplog: pytest.LogCaptureFixture
) -> None:
    first = found(new_store())
    hub.stop()

    assert found(new_store()) == first
    assert "is served as it was last downloaded" in caplog.text
    with pytest.raises(StoreUnreachable, match="does not answer"):
        found(new_store(), "org/another")


def test_a_fixed_revision_that_is_here_needs_no_server(hub: HubServer, new_store: Callable[..., ModelStore]) -> None:
    fixed = f"{MODEL}@{found(new_store()).revision}"
    hub.requests.clear()

    assert found(new_store(), fixed).name == MODEL
    assert hub.requests == []


def test_a_new_revision_replaces_the_old_one_beside_the_work(
    hub: HubServer, new_store: Callable[..., ModelStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = new_store()
    old = found(store)
    (hub.root / MODEL / "tokenizer.json").write_text('{"new": 1}', encoding="utf-8")
    monkeypatch.setattr(model_store, "TRUST_SECONDS", 0)

    assert found(store) == old
    wait_until(lambda: found(store).revision == hub.commit(MODEL), "the new revision is there")


def test_a_name_is_asked_for_once_however_often_it_is_used(
    hub: HubServer, new_store: Callable[..., ModelStore]
) -> None:
    store = new_store()
    for _ in range(5):
        found(store)

    assert hub.asked_for("/revision/main") == 1


def test_finding_does_not_wait_for_a_download(hub: HubServer, new_store: Callable[..., ModelStore]) -> None:
    hub.gate, store = threading.Event(), new_store()

    waiting = [store.find(ModelReference(MODEL)) for _ in range(3)]

    assert not any(future.done() for future in waiting)
    hub.gate.set()
    assert {future.result(SECONDS).name for future in waiting} == {MODEL}
    assert hub.asked_for("model.safetensors") == 1


def test_a_download_ends_at_its_time_limit_and_keeps_what_came(
    hub: HubServer, new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    hub.seconds_per_byte = 0.05

    with pytest.raises(LoadTimedOut, match="took longer than 1 s"):
        found(new_store(model_load_timeout=1))
    (part,) = (tmp_path / "cache").rglob("model.safetensors.part")
    assert part.stat().st_size > 1


def test_a_store_that_stops_ends_its_downloads(hub: HubServer, new_store: Callable[..., ModelStore]) -> None:
    hub.gate, store = threading.Event(), new_store()
    future = store.find(ModelReference(MODEL))
    wait_until(lambda: hub.asked_for("model.safetensors"), "the download has begun")

    store.stop()
    hub.gate.set()

    assert isinstance(future.exception(SECONDS), WorkerStopping)


def test_four_processes_download_once(hub: HubServer, tmp_path: Path) -> None:
    program = (
        "from actors.model_store.model_store import ModelStore\n"
        "from actors.model_store.reference import ModelReference\n"
        "from settings.config import Settings\n"
        f"print(ModelStore(Settings(_env_file=None)).find(ModelReference({MODEL!r})).result(60).revision)"
    )
    environment = os.environ | {"MODEL_MANAGER_URL": hub.url, "MODEL_CACHE_PATH": str(tmp_path / "cache")}
    started = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    revisions = [process.communicate(timeout=60)[0].strip() for process in started]

    assert revisions == [hub.commit(MODEL)] * 4
    assert hub.asked_for("model.safetensors") == 1


def test_a_store_that_stops_waits_no_more_for_another_process(
    hub: HubServer, new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    store = new_store()
    with DiskCache(tmp_path / "cache", None).download_lock(ModelReference(MODEL, hub.commit(MODEL))):
        future = store.find(ModelReference(MODEL))
        wait_until(
            lambda: [told.phase for told in store.arriving] == ["waiting for another process"], "it waits for another"
        )

        store.stop()

        assert isinstance(future.exception(SECONDS), WorkerStopping)
    assert not hub.asked_for("config.json")


def size_of_a_model(hub: HubServer) -> int:
    return sum(path.stat().st_size for path in hub.files(MODEL))


def test_the_model_that_was_not_used_for_the_longest_time_makes_room(
    hub: HubServer, new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    for number in range(3):
        write_model(hub.root / f"org/m{number}")
    budget = 2.5 * sum(path.stat().st_size for path in hub.files("org/m0")) / 1e9
    folders = []
    for number in range(2):
        store = new_store(model_cache_gb=budget)
        folders.append(found(store, f"org/m{number}").folder)
        os.utime(folders[-1], (number, number))
        release(store)

    found(new_store(model_cache_gb=budget), "org/m2")

    assert [folder.exists() for folder in folders] == [False, True]


def test_a_model_that_was_used_again_is_kept_before_one_that_was_not(
    hub: HubServer, new_store: Callable[..., ModelStore]
) -> None:
    for number in range(3):
        write_model(hub.root / f"org/m{number}")
    budget = 2.5 * sum(path.stat().st_size for path in hub.files("org/m0")) / 1e9
    folders = []
    for number in (0, 1, 0):
        store = new_store(model_cache_gb=budget)
        folders.append(found(store, f"org/m{number}").folder)
        release(store)
        if len(folders) < 3:
            os.utime(folders[-1], (number, number))

    found(new_store(model_cache_gb=budget), "org/m2")

    assert [folder.exists() for folder in folders[:2]] == [True, False]


def release(store: ModelStore) -> None:
    """As when the process of the store has ended."""
    for reference in store._remote.cache.held:
        store._remote.cache.let_go(reference)


def test_a_model_in_use_by_another_process_is_never_removed(
    hub: HubServer, new_store: Callable[..., ModelStore]
) -> None:
    write_model(hub.root / "org/other")
    budget = 1.5 * size_of_a_model(hub) / 1e9
    used = found(new_store(model_cache_gb=budget)).folder

    with pytest.raises(StoreFull, match="in use"):
        found(new_store(model_cache_gb=budget), "org/other")
    assert used.exists()


def test_a_model_that_can_never_fit_is_refused_with_both_numbers(
    hub: HubServer, new_store: Callable[..., ModelStore]
) -> None:
    with pytest.raises(ModelTooLarge, match=f"{size_of_a_model(hub):,} bytes, and MODEL_CACHE_GB allows 10"):
        found(new_store(model_cache_gb=1e-8))


def test_two_downloads_at_once_do_not_get_the_same_room(hub: HubServer, new_store: Callable[..., ModelStore]) -> None:
    write_model(hub.root / "org/other")
    budget = 1.5 * size_of_a_model(hub) / 1e9
    hub.gate = threading.Event()
    first = new_store(model_cache_gb=budget).find(ModelReference(MODEL))
    wait_until(lambda: hub.asked_for("model.safetensors"), "the first download has begun")

    with pytest.raises(StoreFull, match="of MODEL_CACHE_GB"):
        found(new_store(model_cache_gb=budget), "org/other")

    hub.gate.set()
    assert first.result(SECONDS).name == MODEL


def test_the_spare_room_of_the_disk_is_not_given_to_two_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = disk_cache.SPARE_BYTES + 1_000
    monkeypatch.setattr(disk_cache.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    one, another = (DiskCache(tmp_path, None) for _ in range(2))
    first, second = ModelReference("org/a", "r1"), ModelReference("org/b", "v1.0")

    with one.download_lock(first):
        one.make_room(first, 800)
        with another.download_lock(second), pytest.raises(StoreFull, match="are free"):
            another.make_room(second, 800)
    with another.download_lock(second):
        another.make_room(second, 800)  # nobody goes on with the first


def test_what_came_of_another_download_is_not_counted_twice(tmp_path: Path) -> None:
    one, another = (DiskCache(tmp_path, 1_000) for _ in range(2))
    first, second = ModelReference("org/a", "r1"), ModelReference("org/b", "v1.0")

    with one.download_lock(first):
        one.make_room(first, 800)
        (one.download_folder(first) / "part").write_bytes(bytes(500))
        with another.download_lock(second):
            another.make_room(second, 200)


def test_what_came_before_needs_no_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = disk_cache.SPARE_BYTES + 300
    monkeypatch.setattr(disk_cache.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    cache, reference = DiskCache(tmp_path, 1_000), ModelReference("org/a", "r1")

    with cache.download_lock(reference):
        (cache.download_folder(reference) / "part").write_bytes(bytes(700))
        cache.make_room(reference, 1_000)


def test_nothing_is_fetched_to_a_full_disk(
    hub: HubServer, new_store: Callable[..., ModelStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_cache, "SPARE_BYTES", 10**18)

    with pytest.raises(StoreFull, match="MODEL_CACHE_PATH"):
        found(new_store())
    assert not hub.asked_for("config.json")


def test_models_that_are_loaded_stay_on_the_disk(hub: HubServer, tmp_path: Path) -> None:
    loaded: list[tuple[str, str]] = []
    settings = Settings(_env_file=None, model_manager_url=hub.url, model_cache_path=tmp_path / "cache")
    store = ModelStore(settings, lambda: loaded)
    stored = found(store)
    store._keep_seconds = 0.0

    loaded.append((stored.name, stored.revision))
    store.let_go_of_the_unused()
    held_while_loaded = len(store._remote.cache.held)
    loaded.clear()
    store.let_go_of_the_unused()
    store.stop()

    assert (held_while_loaded, len(store._remote.cache.held)) == (1, 0)


def test_models_that_a_task_was_lately_asked_for_stay_on_the_disk(
    hub: HubServer, new_store: Callable[..., ModelStore]
) -> None:
    store = new_store()
    stored = found(store)

    store.let_go_of_the_unused()

    assert [reference.name for reference in store._remote.cache.held] == [stored.name]


def test_the_shared_folder_comes_first(hub: HubServer, new_store: Callable[..., ModelStore], tmp_path: Path) -> None:
    write_model(tmp_path / "shared" / MODEL)

    assert found(new_store(model_manager_path=tmp_path / "shared")).revision.startswith("local-")
    assert hub.requests == []


def test_what_is_wrong_in_the_shared_folder_is_told_when_the_server_has_no_better(
    hub: HubServer, new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    (write_model(tmp_path / "shared/org/broken") / "model.safetensors").unlink()
    (write_model(tmp_path / "shared" / MODEL) / "model.safetensors").unlink()
    store = new_store(model_manager_path=tmp_path / "shared")

    assert found(store).revision == hub.commit(MODEL)
    with pytest.raises(ModelBroken, match=r"model\.safetensors is missing"):
        found(store, "org/broken")


def entry(status: str, **fields: object) -> dict[str, object]:
    return {"id": "org-other", "name": "org/other", "type": "llm", "status": status, "size_gb": 1, **fields}


class Arriving:
    """A model that the model-manager downloads, as far as the test lets it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.share, self.asked = folder, 0.0, 0

    def __call__(self) -> dict[str, object]:
        self.asked += 1
        if self.share < 1:
            return entry("downloading", download_progress=self.share)
        write_model(self.folder)
        return entry("available")


@pytest.fixture
def arriving(hub: HubServer, tmp_path: Path) -> Arriving:
    """org/other, on its way into the shared folder."""
    (tmp_path / "shared").mkdir()
    hub.manager.models["org-other"] = model = Arriving(tmp_path / "shared/org/other")
    return model


def test_what_the_model_manager_is_downloading_is_waited_for(
    arriving: Arriving, new_store: Callable[..., ModelStore], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    coming = new_store(model_manager_path=tmp_path / "shared").find(ModelReference("org/other"))
    arriving.share = 0.5
    wait_until(lambda: arriving.asked > 5, "it is asked for again and again")

    arriving.share = 1.0

    assert coming.result(SECONDS).name == "org/other"
    assert caplog.text.count("The model-manager is downloading org/other") == 1


def test_how_far_the_model_manager_is_is_told_in_bytes_and_time(
    arriving: Arriving, new_store: Callable[..., ModelStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LEAST_SECONDS", 0.0)
    store = new_store(model_manager_path=tmp_path / "shared")
    coming = store.find(ModelReference("org/other"))
    wait_until(lambda: arriving.asked > 1, "the first look was told")
    arriving.share = 0.25

    wait_until(lambda: any(told.seconds_left for told in store.arriving), "the time that is left is known")
    (told,) = store.arriving

    assert (told.phase, told.done_bytes, told.total_bytes) == ("waiting for the registry", 250_000_000, 10**9)
    arriving.share = 1.0
    coming.result(SECONDS)


def test_a_large_model_may_take_the_model_manager_longer(
    arriving: Arriving, new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    times = {"model_load_timeout": 1, "model_load_seconds_per_gb": 600}
    coming = new_store(model_manager_path=tmp_path / "shared", **times).find(ModelReference("org/other"))

    wait_until(lambda: arriving.asked > 0, "it is waited for")
    wait_until(lambda: coming.progress.seconds > 1.1 or coming.done(), "MODEL_LOAD_TIMEOUT is over")

    assert not coming.done()
    assert coming.progress.limit_seconds == 601
    arriving.share = 1.0
    coming.result(SECONDS)


@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        ("error", ModelBroken, "could not download"),
        ("removed", ModelNotFound, "was removed"),
        ("downloading", LoadTimedOut, "waiting for the registry"),
        ("dreaming", StoreUnreachable, "in another way"),
    ],
)
def test_what_the_model_manager_cannot_give_has_its_error(
    hub: HubServer, new_store: Callable[..., ModelStore], status: str, error: type[Exception], text: str
) -> None:
    hub.manager.models["org-other"] = lambda: entry(status)

    with pytest.raises(error, match=text):
        found(new_store(model_load_timeout=1), "org/other")


def test_a_path_of_the_model_manager_is_taken_inside_the_shared_folder_only(
    hub: HubServer, new_store: Callable[..., ModelStore], tmp_path: Path
) -> None:
    inside, outside = write_model(tmp_path / "shared/somewhere"), write_model(tmp_path / "outside")
    hub.manager.models["org-other"] = lambda: entry("available", path=str(inside))
    hub.manager.models["org-third"] = lambda: entry("available", name="org/third", local_path=str(outside))
    store = new_store(model_manager_path=tmp_path / "shared")

    assert found(store, "org/other").folder == inside
    with pytest.raises(ModelRefused, match="set MODEL_MANAGER_PATH"):
        found(store, "org/third")


def test_an_id_that_the_model_manager_does_not_take_is_not_found(
    hub: HubServer, new_store: Callable[..., ModelStore]
) -> None:
    with pytest.raises(ModelNotFound, match=r"microsoft/phi-1\.5"):
        Origin(hub.url).ask("/models/microsoft-phi-1.5", "microsoft/phi-1.5")
    with pytest.raises(ModelNotFound, match=r"microsoft/phi-1\.5"):
        found(new_store(), "microsoft/phi-1.5")


@pytest.mark.parametrize("path", ["/models/org-other/", "/models/org-other"])
def test_a_redirect_within_the_server_is_followed(path: str, hub: HubServer) -> None:
    hub.manager.models["org-other"] = lambda: entry("available")

    assert Origin(hub.url).ask(path, "a model")["name"] == "org/other"
    assert Origin(hub.url).ask("/models", "all models")["total"] == 1


def test_another_model_under_the_same_id_is_not_taken_for_it(
    hub: HubServer, new_store: Callable[..., ModelStore]
) -> None:
    hub.manager.models["org-other"] = lambda: entry("available", name="org-other/or-not")

    with pytest.raises(ModelNotFound):
        found(new_store(), "org/other")


def test_weights_of_several_files_come_together(hub: HubServer, new_store: Callable[..., ModelStore]) -> None:
    folder = hub.root / MODEL
    (folder / "2_Dense").mkdir()
    write_weights(folder / "2_Dense/model.safetensors")

    assert (found(new_store()).folder / "2_Dense/model.safetensors").is_file()
