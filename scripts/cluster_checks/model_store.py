"""Checks of the models that this host can have, and the model that is fit for a trial."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from actors.errors import ClusterError, ModelNotFound, ModelRefused, StoreUnreachable
from actors.model_store.origin import Origin
from actors.model_store.reference import ModelReference
from actors.model_store.shared_folder import SUBFOLDERS, SharedFolder
from actors.model_store.stored_model import StoredModel
from scripts.cluster_checks.check import Check

#: Beyond this many a problem more or less tells nobody anything.
SHOWN_PROBLEMS = 3


def check_server(url: str, token: SecretStr | None) -> Check:
    """The server that models are downloaded from answers, and takes the token."""
    try:
        Origin(url, token).open("/health/", "the model server").close()
    except StoreUnreachable as error:
        return Check("model server", "failed", str(error), "look at MODEL_MANAGER_URL and MODEL_MANAGER_TOKEN")
    except (ModelNotFound, ModelRefused):  # it answers, and need not have such a page
        pass
    return Check("model server", "ok", f"{url} answers")


def check_store(root: Path | None) -> tuple[Check, list[StoredModel]]:
    """The folder can be read and has models; with those that are complete."""
    if root is None:
        mend = "set MODEL_MANAGER_PATH to the folder that the model-manager shares with this host, or MODEL_MANAGER_URL"
        return Check("model store", "failed", "MODEL_MANAGER_PATH is not set", mend), []
    try:
        next(root.iterdir(), None)  # which a search in a folder that may not be read does not tell
    except OSError as error:
        return Check("model store", "failed", f"cannot be read: {error}", f"let this user read {root}"), []
    models, problems = _verify(root, stored_names(root))
    shown = "; ".join(problems[:SHOWN_PROBLEMS])
    if not models:
        return Check("model store", "failed", f"no model in {root}: {shown or 'it is empty'}", "download one there"), []
    if problems:
        detail = f"{len(models)} models in {root}, and {len(problems)} that cannot be used: {shown}"
        return Check("model store", "warning", detail, "download them again"), models
    return Check("model store", "ok", f"{len(models)} models in {root}"), models


def check_model(root: Path | None, name: str) -> tuple[Check, list[StoredModel]]:
    """One model is there and complete; with what was found of it."""
    models, problems = _verify(root, [name])
    if problems:
        return Check("model", "failed", problems[0], "look at the name, and download the model again"), []
    (model,) = models
    return Check("model", "ok", f"{model.name}@{model.revision}, {model.weights_bytes / 1e6:,.0f} MB"), models


def stored_names(root: Path) -> list[str]:
    """The models that a folder has by its looks: the Hub's cache layout and folders with a `config.json`."""
    hub = (folder.name.split("--", 2)[1:] for folder in root.glob("models--*") if folder.is_dir())
    return sorted({"/".join(parts) for parts in hub} | set(_plain_names(root)))


def _plain_names(root: Path) -> Iterator[str]:
    for parent in (root / folder for folder in SUBFOLDERS):
        for config in (*parent.glob("*/config.json"), *parent.glob("*/*/config.json")):
            folder = config.parent.relative_to(parent)
            is_part_of_a_model = (config.parent.parent / "config.json").exists()  # as `1_Pooling` is
            if folder.parts[0] not in SUBFOLDERS and not is_part_of_a_model:
                yield folder.as_posix()


def _verify(root: Path | None, names: list[str]) -> tuple[list[StoredModel], list[str]]:
    store, models, problems = SharedFolder(root), [], []
    for name in names:
        try:
            models.append(store.find(ModelReference.parse(name)))
        except (ClusterError, OSError) as error:
            problems.append(str(error))
    return models, problems
