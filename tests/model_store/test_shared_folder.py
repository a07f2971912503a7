"""Models are found in every layout, at every revision, and nowhere else."""

import os
from pathlib import Path

import pytest

from actors.errors import ModelBroken, ModelNotFound, ModelRefused, StoreUnreachable
from actors.model_store import shared_folder
from actors.model_store.reference import ModelReference
from actors.model_store.shared_folder import SharedFolder
from actors.model_store.stored_model import StoredModel
from tests.model_store.folders import COMMIT, write_hub_model, write_model

OTHER_COMMIT = "f" * 40


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty model folder, with something beside it that is none of its business."""
    write_model(tmp_path / "outside")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def _without_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer is looked up anew."""
    monkeypatch.setattr(shared_folder, "ANSWER_SECONDS", 0.0)


def _find(root: Path | None, text: str) -> StoredModel:
    return SharedFolder(root).find(ModelReference.parse(text))


@pytest.mark.parametrize("parent", [".", "huggingface", "custom"])
@pytest.mark.parametrize("spelling", ["Org/Name_x", "Org_Name_x", "org-name-x", "org-name_x"])
def test_a_model_is_found_in_a_folder_of_any_spelling(parent: str, spelling: str, root: Path) -> None:
    folder = write_model(root / parent / spelling)

    stored = _find(root, "Org/Name_x")

    assert stored.folder == folder
    assert stored.revision.startswith("local-")


@pytest.mark.parametrize("wanted", ["Org/Name", "Org/Name@main", f"Org/Name@{COMMIT}"])
def test_a_model_of_the_hub_is_found_by_branch_and_by_commit(wanted: str, root: Path) -> None:
    snapshot = write_hub_model(root, "Org/Name", main=f"{COMMIT}\n")

    stored = _find(root, wanted)

    assert (stored.folder, stored.revision, stored.name) == (snapshot, COMMIT, "Org/Name")


def test_branches_name_different_snapshots(root: Path) -> None:
    write_hub_model(root, "Org/Name", COMMIT, main=COMMIT)
    write_hub_model(root, "Org/Name", OTHER_COMMIT, next=OTHER_COMMIT)

    assert _find(root, "Org/Name").revision == COMMIT
    assert _find(root, "Org/Name@next").revision == OTHER_COMMIT


def test_a_fixed_revision_is_not_answered_with_another(root: Path) -> None:
    write_hub_model(root, "Org/Name", main=COMMIT)
    write_model(root / "Org" / "Name")

    with pytest.raises(ModelNotFound, match=f"Org/Name@{OTHER_COMMIT} is not in the model store"):
        _find(root, f"Org/Name@{OTHER_COMMIT}")


def test_the_hubs_layout_goes_before_a_plain_folder(root: Path) -> None:
    write_hub_model(root, "Org/Name", main=COMMIT)
    write_model(root / "Org" / "Name")

    assert _find(root, "Org/Name").revision == COMMIT


def test_a_branch_whose_snapshot_is_not_there_yet_leaves_the_plain_folder(root: Path) -> None:
    write_hub_model(root, "Org/Name", main=OTHER_COMMIT)
    plain = write_model(root / "Org" / "Name")

    assert _find(root, "Org/Name").folder == plain


@pytest.mark.parametrize(
    "content",
    [b"../..", b"../../../outside", b"/etc", b"..", b".", b"", b"a/b", b"a\nb", b"C:\\x", b"\xff\xfe", b"x" * 100_000],
)
def test_a_ref_that_names_no_revision_finds_nothing(content: bytes, root: Path) -> None:
    write_hub_model(root, "Org/Name", main=COMMIT)
    (root / "models--Org--Name" / "refs" / "main").write_bytes(content)

    with pytest.raises(ModelNotFound):
        _find(root, "Org/Name")


@pytest.mark.parametrize("name", ["../outside", "outside/..", "Org/../../outside"])
def test_a_name_that_climbs_out_is_refused_even_if_the_border_let_it_through(name: str, root: Path) -> None:
    (root / "Org").mkdir()

    with pytest.raises((ModelNotFound, ModelRefused)):
        _find(root, name)


def test_a_model_folder_that_links_out_of_the_store_is_refused(root: Path) -> None:
    (root / "Org").mkdir()
    (root / "Org" / "Name").symlink_to(root.parent / "outside")

    with pytest.raises(ModelRefused, match="leads out of the model folder"):
        _find(root, "Org/Name")


def test_a_model_folder_may_be_a_link_within_the_store(root: Path) -> None:
    write_model(root / "custom" / "real")
    (root / "Org").mkdir()
    (root / "Org" / "Name").symlink_to(root / "custom" / "real")

    assert _find(root, "Org/Name").parameter_count > 0


def test_the_store_itself_may_be_reached_by_a_link(root: Path, tmp_path: Path) -> None:
    write_hub_model(root, "Org/Name", main=COMMIT)
    (tmp_path / "share").symlink_to(root)

    assert _find(tmp_path / "share", "Org/Name").revision == COMMIT


@pytest.mark.usefixtures("_without_memory")
def test_a_plain_folder_is_named_by_the_state_of_its_files(root: Path) -> None:
    folder, store = write_model(root / "Org" / "Name"), SharedFolder(root)
    before = store.find(ModelReference("Org/Name"))

    (folder / "config.json").write_text('{"model_type": "roberta"}', encoding="utf-8")
    after = store.find(ModelReference("Org/Name"))

    assert after.revision != before.revision
    assert after.config == {"model_type": "roberta"}
    assert store.find(ModelReference("Org/Name", after.revision)) == after
    with pytest.raises(ModelNotFound):
        store.find(ModelReference("Org/Name", before.revision))


def test_the_same_size_at_another_time_is_another_state(root: Path) -> None:
    folder = write_model(root / "Org" / "Name")
    before = _find(root, "Org/Name").revision

    os.utime(folder / "model.safetensors", ns=(1, 1))

    assert _find(root, "Org/Name").revision != before


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The revisions that were verified, in order."""
    verified, verify = [], shared_folder.verify

    def note(name: str, revision: str, folder: Path, root: Path) -> StoredModel:
        verified.append(revision)
        return verify(name, revision, folder, root)

    monkeypatch.setattr(shared_folder, "verify", note)
    return verified


@pytest.mark.usefixtures("_without_memory")
def test_files_are_checked_once_for_each_state(root: Path, verifications: list[str]) -> None:
    snapshot, store = write_hub_model(root, "Org/Name", main=COMMIT), SharedFolder(root)

    for wanted in (None, "main", COMMIT, None):
        store.find(ModelReference("Org/Name", wanted))
    assert verifications == [COMMIT]

    os.utime(snapshot / "config.json", ns=(1, 1))
    store.find(ModelReference("Org/Name"))
    assert verifications == [COMMIT, COMMIT]


def test_a_recent_answer_is_given_again_without_asking_the_share(root: Path) -> None:
    folder, store = write_model(root / "Org" / "Name"), SharedFolder(root)
    before = store.find(ModelReference("Org/Name"))

    (folder / "config.json").unlink()

    assert store.find(ModelReference("Org/Name")) is before


def test_a_model_that_was_missing_is_found_as_soon_as_it_comes(root: Path) -> None:
    store = SharedFolder(root)
    with pytest.raises(ModelNotFound):
        store.find(ModelReference("Org/Name"))

    write_model(root / "Org" / "Name")

    assert store.find(ModelReference("Org/Name")).name == "Org/Name"


def test_a_broken_model_is_usable_as_soon_as_it_is_repaired(root: Path) -> None:
    folder, store = write_model(root / "Org" / "Name"), SharedFolder(root)
    (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelBroken):
        store.find(ModelReference("Org/Name"))

    (folder / "config.json").write_text("{}", encoding="utf-8")

    assert store.find(ModelReference("Org/Name")).config == {}


def test_a_sharded_model_without_a_config_is_broken_and_not_missing(root: Path) -> None:
    folder = write_model(root / "Org" / "Name")
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}", encoding="utf-8")

    with pytest.raises(ModelBroken, match=r"Org/Name: config\.json is missing"):
        _find(root, "Org/Name")


def test_a_worker_without_a_model_store_says_what_to_set() -> None:
    with pytest.raises(ModelNotFound, match="set MODEL_MANAGER_PATH"):
        _find(None, "Org/Name")


@pytest.mark.usefixtures("_without_memory")
def test_a_store_that_is_gone_is_worth_another_attempt(root: Path) -> None:
    write_model(root / "Org" / "Name")
    store = SharedFolder(root)
    store.find(ModelReference("Org/Name"))

    root.rename(root.with_name("elsewhere"))

    with pytest.raises(StoreUnreachable, match=f"the model folder {root} cannot be read"):
        store.find(ModelReference("Org/Name"))


@pytest.mark.parametrize("step", ["fingerprint", "verify", "hub_revision"])
def test_a_share_that_fails_while_it_is_read_is_worth_another_attempt(
    step: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(root / "Org" / "Name")
    monkeypatch.setattr(shared_folder, step, _failing_share)

    with pytest.raises(StoreUnreachable, match=f"the model folder {root} cannot be read: .*Input/output error"):
        _find(root, "Org/Name")


def _failing_share(*arguments: object) -> object:
    raise OSError(5, "Input/output error")
