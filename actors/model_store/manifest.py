"""What a revision of a model consists of, as the Hub's HTTP API tells it."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Self
from urllib.parse import quote

from pydantic import BaseModel, Field, ValidationError

from actors.errors import ModelRefused, StoreUnreachable
from actors.model_store.origin import Origin
from actors.model_store.reference import ModelReference

#: A commit: as the Hub has them, or what a private server names its revisions.
_REVISION = re.compile(r"[A-Za-z0-9][\w.-]{0,199}", re.ASCII)

#: A name that every file system takes and that leads nowhere else.
_PART = re.compile(r"(?!\.)[\w .+@()-]{1,200}(?<![. ])", re.ASCII)

#: What a tokenizer and a configuration are made of. Never pickles, never Python.
_TEXTS = (".json", ".txt", ".model", ".jinja")

#: Weights lie beside `config.json`, and those of a sentence encoder's further layers in folders like `2_Dense`.
_WEIGHTS = re.compile(r"(?:\d+_\w+/)?(?!consolidated)[^/]+\.safetensors")


@dataclass(frozen=True)
class RemoteFile:
    """One file of a revision."""

    path: str
    size: int | None
    checksum: str | None
    """The sha256 of its content (64 digits), or git's own sha1 of small files (40)."""


@dataclass(frozen=True)
class Manifest:
    """The files of an immutable revision that are wanted here."""

    reference: ModelReference
    files: tuple[RemoteFile, ...]

    @property
    def revision(self) -> str:
        """The commit."""
        return str(self.reference.revision)

    @property
    def size(self) -> int:
        """Bytes of all files, as far as the server tells."""
        return sum(file.size or 0 for file in self.files)

    @classmethod
    def ask(cls, origin: Origin, reference: ModelReference) -> Self:
        """Resolves a branch, a tag or a commit; the branch `main` when none is wanted.

        Raises:
          ModelNotFound: When there is no such model or revision.
          ModelRefused: When it has no safetensors, or a file whose name leads elsewhere.
          StoreUnreachable: When the server does not answer, or not as the Hub does.
        """
        revision = quote(reference.revision or "main", safe="")
        path = f"/api/models/{quote(reference.name)}/revision/{revision}?blobs=true"
        try:
            answer = _Answer.model_validate(origin.ask(path, str(reference)))
        except ValidationError as error:
            raise StoreUnreachable(f"{reference}: {origin.url} does not answer as the Hub does: {error}") from None
        if not _REVISION.fullmatch(answer.sha):
            raise ModelRefused(f"{reference}: {origin.url} names the revision {answer.sha[:60]!r}")
        names = [sibling.rfilename for sibling in answer.siblings]
        wanted = [sibling for sibling in answer.siblings if is_wanted(sibling.rfilename)]
        _refuse_what_cannot_be_loaded(reference, names, wanted)
        return cls(ModelReference(reference.name, answer.sha), tuple(sibling.to_file() for sibling in wanted))


def is_wanted(path: str) -> bool:
    """Whether a file of a model is downloaded."""
    parts = path.split("/")
    if len(parts) > 2 or not all(_PART.fullmatch(part) for part in parts):
        return False
    return path.endswith(_TEXTS) or bool(_WEIGHTS.fullmatch(path))


class _Lfs(BaseModel):
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _Sibling(BaseModel):
    rfilename: str
    size: int | None = Field(default=None, ge=0)
    blob_id: str | None = Field(default=None, alias="blobId", pattern=r"^[0-9a-f]{40}$")
    lfs: _Lfs | None = None

    def to_file(self) -> RemoteFile:
        return RemoteFile(self.rfilename, self.size, self.lfs.sha256 if self.lfs else self.blob_id)


class _Answer(BaseModel):
    sha: str
    siblings: tuple[_Sibling, ...]


def _refuse_what_cannot_be_loaded(reference: ModelReference, names: list[str], wanted: list[_Sibling]) -> None:
    if any(sibling.rfilename.endswith(".safetensors") for sibling in wanted):
        return
    weights = sorted(name for name in names if PurePosixPath(name).suffix in (".bin", ".pt", ".pth", ".h5", ".gguf"))
    shown = f"only {', '.join(weights[:3])} is there" if weights else "it has no weights"
    raise ModelRefused(f"{reference}: {shown}, and nothing but safetensors is loaded; convert it")
