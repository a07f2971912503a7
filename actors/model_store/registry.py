"""The model-manager's own list of models: what it has, what it is fetching, what it failed to fetch."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from actors.errors import ModelBroken, ModelNotFound, StoreUnreachable
from actors.model_store.origin import Origin
from actors.model_store.progress import Progress
from actors.model_store.reference import ModelReference

logger = logging.getLogger(__name__)

#: How often a model is asked for that the model-manager is fetching.
POLL_SECONDS = 2.0


class _Requirements(BaseModel):
    hf_model_name: str | None = None


class Entry(BaseModel):
    """A model as the model-manager lists it."""

    id: str
    name: str
    status: Literal["available", "downloading", "loading", "loaded", "error", "removed"]
    size_gb: float | None = Field(None, allow_inf_nan=False)
    download_progress: float | None = Field(None, allow_inf_nan=False)
    requirements: _Requirements | None = None
    path: Path | None = None
    local_path: Path | None = None

    def is_of(self, reference: ModelReference) -> bool:
        """Whether it is that model: two names may be spelt as one id."""
        return reference.name in (self.name, self.requirements and self.requirements.hf_model_name)

    @property
    def size_bytes(self) -> int | None:
        """How large it is; None when the model-manager does not know yet."""
        return int(self.size_gb * 1e9) if self.size_gb and self.size_gb > 0 else None

    @property
    def done_bytes(self) -> int | None:
        """How much of it is there."""
        if self.size_bytes is None or self.download_progress is None:
            return None
        return int(self.size_bytes * min(1.0, max(0.0, self.download_progress)))


class Registry:
    """Reads `GET /models/{id}`."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def wait_for(self, reference: ModelReference, check: Callable[[], None], progress: Progress) -> Entry:
        """The entry of a model that the model-manager has, once it has it; `check` may raise to end the waiting.

        Raises:
          ModelNotFound: When it does not know the model.
          ModelBroken: When it could not fetch it.
          StoreUnreachable: When it does not answer.
        """
        before: Entry | None = None
        while (entry := self._entry(reference)).status == "downloading":
            _tell(progress, before, entry)
            before = entry
            check()
            time.sleep(POLL_SECONDS)
        if entry.status == "error":
            raise ModelBroken(
                f"{reference}: the model-manager could not download it; look at its log and start it again"
            )
        if entry.status == "removed":
            raise ModelNotFound(f"{reference} was removed from the model-manager")
        return entry

    def _entry(self, reference: ModelReference) -> Entry:
        # Its ids have no slash and no dot.
        ids = [spelling for spelling in reference.plain_folders if not {"/", "."} & set(spelling)]
        for spelling in ids:
            try:
                entry = Entry.model_validate(self._origin.ask(f"/models/{spelling}", str(reference)))
            except ModelNotFound:
                continue
            except ValidationError as error:
                raise StoreUnreachable(f"{reference}: {self._origin.url} lists it in another way: {error}") from None
            if entry.is_of(reference):
                return entry
        raise ModelNotFound(f"{reference} is not at {self._origin.url}")


def _tell(progress: Progress, before: Entry | None, entry: Entry) -> None:
    """What one more look has shown; the phase goes on, so that a speed can be told."""
    if before is None or before.size_bytes != entry.size_bytes:
        progress.begin("waiting for the registry", entry.size_bytes, entry.done_bytes)
        share = f"{entry.download_progress:.0%}" if entry.download_progress is not None else "an unknown share"
        logger.info("The model-manager is downloading %s: %s is there.", progress.model, share)
    elif came := (entry.done_bytes or 0) - (before.done_bytes or 0):
        progress.add(came)
