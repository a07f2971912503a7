"""Models in a folder that the model-manager shares with this host."""

import math
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from actors.errors import ModelNotFound, StoreUnreachable
from actors.model_store.reference import LOCAL_REVISION, ModelReference
from actors.model_store.stored_model import StoredModel, fingerprint, verify

#: How long an answer is trusted: a share is slow to ask, and a replaced model should be noticed soon.
ANSWER_SECONDS = 5.0

#: Folders below the root that hold models by their plain names.
SUBFOLDERS = (".", "huggingface", "custom")

#: A revision is one path component; anything else in a `refs` file is not one.
_REVISION = re.compile(r"[A-Za-z0-9][\w.-]{0,199}", re.ASCII)

#: A plain folder with one of these is a model, complete or not.
MODEL_FILES = ("config.json", "model.safetensors", "model.safetensors.index.json")


class SharedFolder:
    """Finds models under MODEL_MANAGER_PATH, in the Hub's cache layout and in plain folders.

    Threads may call it at the same time. A model's files are checked once for each state they are in.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._answers: dict[ModelReference, tuple[float, StoredModel]] = {}
        self._verified: dict[tuple[Path, str], StoredModel] = {}
        self._mutex = threading.Lock()

    def find(self, reference: ModelReference) -> StoredModel:
        """The verified folder of a model.

        Raises:
          ModelNotFound: When there is no such model or revision.
          ModelBroken: When its files are incomplete.
          ModelRefused: When loading it would be unsafe.
          StoreUnreachable: When the folder cannot be read.
        """
        if known := self.known(reference):
            return known
        now = time.monotonic()
        try:
            stored = self._look_up(reference)
        except OSError as error:
            raise StoreUnreachable(f"the model folder {self._root} cannot be read: {error}") from error
        with self._mutex:
            self._answers[reference] = (now, stored)
        return stored

    def known(self, reference: ModelReference) -> StoredModel | None:
        """An answer that is trusted still; None when the folder has to be looked into."""
        with self._mutex:
            answered_at, stored = self._answers.get(reference, (-math.inf, None))
        return stored if time.monotonic() - answered_at < ANSWER_SECONDS else None

    def _look_up(self, reference: ModelReference) -> StoredModel:
        if self._root is None:
            raise ModelNotFound(
                f"{reference}: this worker has no model store; set MODEL_MANAGER_PATH or MODEL_MANAGER_URL"
            )
        if not self._root.is_dir():
            raise StoreUnreachable(f"the model folder {self._root} cannot be read")
        for revision, folder in self._candidates(self._root, reference):
            return self._verify_once(reference, revision, folder, self._root)
        raise ModelNotFound(f"{reference} is not in the model store")

    def _verify_once(self, reference: ModelReference, revision: str, folder: Path, root: Path) -> StoredModel:
        state = (folder, fingerprint(folder))
        with self._mutex:
            stored = self._verified.get(state)
        if stored is None:
            stored = verify(reference.name, revision, folder, root)
            with self._mutex:
                self._verified[state] = stored
        return stored

    @staticmethod
    def _candidates(root: Path, reference: ModelReference) -> Iterator[tuple[str, Path]]:
        """Folders that may be the model, with the revision each would be."""
        if revision := hub_revision(root / reference.hub_folder, reference.revision):
            yield revision, root / reference.hub_folder / "snapshots" / revision
        for parent in SUBFOLDERS:
            for spelling in reference.plain_folders:
                folder = root / parent / spelling
                if not any((folder / file).exists() for file in MODEL_FILES):
                    continue
                local = LOCAL_REVISION + fingerprint(folder)
                if reference.revision in (None, local):
                    yield local, folder


def hub_revision(folder: Path, wanted: str | None) -> str | None:
    """The snapshot that a branch, a tag or a commit names; the default branch when none is wanted."""
    named = folder / "refs" / (wanted or "main")
    revision = named.read_text(encoding="utf-8", errors="replace").strip() if named.is_file() else wanted
    if revision is None or not _REVISION.fullmatch(revision):
        return None
    return revision if (folder / "snapshots" / revision).is_dir() else None
