"""Models from MODEL_MANAGER_URL, downloaded to this host's disk before they are found."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from actors.errors import ModelNotFound, ModelRefused, StoreUnreachable
from actors.model_store.disk_cache import DiskCache
from actors.model_store.download import Download
from actors.model_store.manifest import Manifest
from actors.model_store.origin import Origin
from actors.model_store.progress import Progress
from actors.model_store.reference import LOCAL_REVISION, ModelReference
from actors.model_store.registry import Registry
from actors.model_store.shared_folder import SharedFolder
from actors.model_store.stored_model import StoredModel, fingerprint, verify
from settings.config import Settings

logger = logging.getLogger(__name__)

#: How often another process' download is looked at.
WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class Fetched:
    """A model that is here, and what it is kept on the disk as; None when it is not this host's to keep."""

    stored: StoredModel
    kept_as: ModelReference | None


class RemoteStore:
    """Speaks the Hub's API, then the model-manager's own, to one server. Its methods take their time."""

    def __init__(self, origin: Origin, settings: Settings) -> None:
        self._origin = origin
        self._root = settings.model_manager_path
        budget = int(settings.model_cache_gb * 1e9) if settings.model_cache_gb else None
        self.cache = DiskCache(settings.model_cache_folder, budget)
        self._registry = Registry(self._origin)

    def fetch(self, reference: ModelReference, check: Callable[[], None], progress: Progress) -> Fetched:
        """Finds a model at the server and brings it here; `check` may raise to end that, `progress` is told of it.

        Raises:
          ModelNotFound: When the server has no such model or revision.
          ModelBroken: When what came is not what the server says it is.
          ModelRefused: When loading it would be unsafe, or this token may not have it.
          ModelTooLarge: When MODEL_CACHE_GB is less than it needs.
          StoreFull: When the disk has no room now.
          StoreUnreachable: When the server does not answer.
          LoadTimedOut: When it takes longer than such a model may.
        """

        def check_time() -> None:
            check()
            progress.check()

        try:
            return self._fetch(reference, check_time, progress)
        except OSError as error:
            raise StoreUnreachable(f"{reference} cannot be kept in {self.cache.root}: {error}") from error

    def _fetch(self, reference: ModelReference, check: Callable[[], None], progress: Progress) -> Fetched:
        if reference.revision and self.cache.named(reference) == reference and self.cache.hold(reference):
            return self._kept(reference)
        try:
            manifest = Manifest.ask(self._origin, reference)
        except ModelNotFound:
            entry = self._registry.wait_for(reference, check, progress)
            if self._root or entry.path or entry.local_path:
                return Fetched(self._shared(reference, entry.local_path or entry.path), None)
            manifest = Manifest.ask(self._origin, reference)
        except StoreUnreachable as error:
            return self._kept_without_the_server(reference, error)
        self._bring(manifest, check, progress)
        self.cache.remember(reference, manifest.reference)
        return self._kept(manifest.reference)

    def _kept_without_the_server(self, reference: ModelReference, error: StoreUnreachable) -> Fetched:
        fixed = self.cache.named(reference)
        if fixed is None or not self.cache.hold(fixed):
            raise error
        logger.warning("%s is served as it was last downloaded, at %s: %s", reference, fixed.revision, error)
        return self._kept(fixed)

    def _kept(self, fixed: ModelReference) -> Fetched:
        return Fetched(SharedFolder(self.cache.root).find(fixed), fixed)

    def _bring(self, manifest: Manifest, check: Callable[[], None], progress: Progress) -> None:
        """One process of this host downloads; those that waited for it find the revision there."""
        lock = self.cache.download_lock(manifest.reference)
        while True:
            try:
                lock.acquire(timeout=WAIT_SECONDS)
                break
            except Timeout:
                progress.begin("waiting for another process", manifest.size)
                check()
        try:
            if self.cache.hold(manifest.reference):
                return
            self.cache.make_room(manifest.reference, manifest.size)
            folder = self.cache.download_folder(manifest.reference)
            Download(self._origin, manifest, folder, check, progress).run()
            self.cache.publish(manifest.reference)
        finally:
            lock.release()

    def _shared(self, reference: ModelReference, path: Path | None) -> StoredModel:
        """What the model-manager has in the folder that it shares."""
        if path is None:
            return SharedFolder(self._root).find(reference)
        if self._root is None or not path.resolve().is_relative_to(self._root.resolve()):
            raise ModelRefused(f"{reference}: the model-manager has it in {path}; set MODEL_MANAGER_PATH to its folder")
        return verify(reference.name, LOCAL_REVISION + fingerprint(path), path, self._root)
