"""All models that this process can have, without a thread that waits for one."""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from actors.errors import ModelBroken, ModelNotFound, ModelRefused, WorkerStopping
from actors.model_store.arrival import Arrival
from actors.model_store.folder_questions import FolderQuestions
from actors.model_store.origin import Origin
from actors.model_store.progress import Progress
from actors.model_store.reference import ModelReference
from actors.model_store.remote_store import Fetched, RemoteStore
from actors.model_store.shared_folder import ANSWER_SECONDS, SharedFolder
from actors.model_store.stored_model import StoredModel
from settings.config import Settings
from settings.records import ArrivingModel

logger = logging.getLogger(__name__)

#: How long a server's answer about a moving name is trusted; after it the name is asked for anew beside the work.
TRUST_SECONDS = 60.0

#: How often is looked for models that are no more in use.
LAPSE_SECONDS = 15.0


@dataclass
class _Answer:
    """A model of the server that is here."""

    fetched: Fetched
    asked_at: float
    used_at: float
    not_in_folder_at: float = -math.inf

    def is_there(self) -> bool:
        """Whether it is still on this host's disk. A shared folder is not looked into here, because it may hang."""
        return self.fetched.kept_as is None or self.fetched.stored.folder.is_dir()


class ModelStore:
    """MODEL_MANAGER_PATH first, then MODEL_MANAGER_URL. `find` may be called from any thread and does not wait.

    `in_use` names the models that are loaded; their files stay on the disk, as do those of models asked for lately.
    """

    def __init__(self, settings: Settings, in_use: Callable[[], Collection[tuple[str, str]]] = tuple) -> None:
        self._settings = settings
        self._folder = SharedFolder(settings.model_manager_path)
        self._questions = FolderQuestions(self._folder, self._arrival)
        self._has_folder = settings.model_manager_path is not None
        self._remote: RemoteStore | None = None
        self._in_use, self._keep_seconds = in_use, settings.task_timeout + settings.model_load_timeout
        self._answers: dict[ModelReference, _Answer] = {}
        self._fetches: dict[ModelReference, Arrival] = {}
        self._mutex = threading.Lock()
        self._stopped = threading.Event()
        if settings.model_manager_url:
            origin = Origin(settings.model_manager_url, settings.model_manager_token)
            self._remote = RemoteStore(origin, settings)
            threading.Thread(target=self._let_go_until_stopped, name="model-leases", daemon=True).start()

    @property
    def arriving(self) -> tuple[ArrivingModel, ...]:
        """What is on its way to this host."""
        with self._mutex:
            fetches = tuple(self._fetches.values())
        return (*self._questions.arriving, *(fetch.progress.to_record() for fetch in fetches))

    def find(self, reference: ModelReference) -> Arrival:
        """The verified folder of a model: at once when it is here, else when it has been downloaded.

        The future may fail as `SharedFolder.find` and `RemoteStore.fetch` do.
        """
        if self._remote and (not self._has_folder or self._is_elsewhere(reference)):
            return self._find_remote(reference)
        asked = self._questions.ask(reference)
        if self._remote is None:
            return asked
        if asked.done():
            return self._find_remote(reference) if self._goes_on(reference, asked) else asked
        found = self._arrival(reference)
        asked.add_done_callback(lambda _: self._go_on(reference, asked, found))
        return found

    def _is_elsewhere(self, reference: ModelReference) -> bool:
        """Whether the folder has said of late that it has not what the server has."""
        with self._mutex:
            answer = self._answers.get(reference)
            return answer is not None and time.monotonic() - answer.not_in_folder_at < ANSWER_SECONDS

    def _goes_on(self, reference: ModelReference, asked: Arrival) -> bool:
        """Whether the server is to be asked after the folder: the model-manager may be writing what looks broken."""
        is_missing = isinstance(asked.exception(), ModelNotFound | ModelBroken)
        with self._mutex:
            if is_missing and (answer := self._answers.get(reference)):
                answer.not_in_folder_at = time.monotonic()
        return is_missing

    def _go_on(self, reference: ModelReference, asked: Arrival, found: Arrival) -> None:
        """After a folder that took its time, in the thread that asked it."""
        source = self._find_remote(reference) if self._goes_on(reference, asked) else asked
        found.progress = source.progress
        source.add_done_callback(lambda _: _copy(source, found))

    def _arrival(self, reference: ModelReference) -> Arrival:
        return Arrival(Progress(str(reference), self._settings.load_seconds))

    def find_here(self, reference: ModelReference) -> StoredModel | None:
        """A model that is on this host or in the folder already; None when it would have to be downloaded.

        Raises:
          ClusterError: As `SharedFolder.find`.
        """
        with self._mutex:
            answer = self._answers.get(reference)
        if answer or not self._has_folder:
            return answer.fetched.stored if answer else None
        return self._folder.find(reference)

    def stop(self) -> None:
        """Ends downloads, of which is kept what came, and questions to a folder that hangs."""
        self._stopped.set()
        self._questions.stop(WorkerStopping("the worker is shutting down"))

    def _find_remote(self, reference: ModelReference) -> Arrival:
        now = time.monotonic()
        with self._mutex:
            answer = self._answers.get(reference)
            if answer and answer.is_there():
                answer.used_at = now
                if now - answer.asked_at > (TRUST_SECONDS if answer.fetched.kept_as else ANSWER_SECONDS):
                    self._start_fetch(reference)  # what is here serves until the answer has come
                found = self._arrival(reference)
                found.set_result(answer.fetched.stored)
                return found
            return self._start_fetch(reference)

    def _start_fetch(self, reference: ModelReference) -> Arrival:
        """The one fetch of this process for a model."""
        if (running := self._fetches.get(reference)) is None:
            running = self._fetches[reference] = self._arrival(reference)
            threading.Thread(target=self._fetch, args=(reference, running), name="model-fetch", daemon=True).start()
        return running

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise WorkerStopping("the worker is shutting down")

    # What follows runs in a thread of its own.

    def _fetch(self, reference: ModelReference, arrival: Arrival) -> None:
        try:
            fetched = self._bring(reference, arrival.progress)
        except BaseException as error:  # noqa: BLE001  # whoever waits gets it
            with self._mutex:
                del self._fetches[reference]
                if isinstance(error, ModelNotFound | ModelRefused):
                    self._answers.pop(reference, None)
                elif known := self._answers.get(reference):
                    known.asked_at = time.monotonic()
            logger.info("%s cannot be had: %s", reference, error)
            arrival.set_exception(error)
            return
        now = time.monotonic()
        with self._mutex:
            del self._fetches[reference]
            earlier = self._answers.get(reference)
            if earlier and earlier.fetched.kept_as and earlier.fetched.kept_as != fetched.kept_as:
                self._answers[earlier.fetched.kept_as] = earlier  # there may be tasks that are about to load it
            self._answers[reference] = _Answer(fetched, now, now)
        arrival.set_result(fetched.stored)

    def _bring(self, reference: ModelReference, progress: Progress) -> Fetched:
        assert self._remote
        try:
            return self._remote.fetch(reference, self._check_stopped, progress)
        except ModelNotFound as missing:
            if not self._has_folder:
                raise
            try:
                return Fetched(self._folder.find(reference), None)  # or what is wrong with it there
            except ModelNotFound:
                raise missing from None

    def _let_go_until_stopped(self) -> None:
        while not self._stopped.wait(LAPSE_SECONDS):
            try:
                self.let_go_of_the_unused()
            except Exception:
                logger.exception("Models that are no more in use stay on the disk.")

    def let_go_of_the_unused(self) -> None:
        """Frees the files of models that are neither loaded nor were asked for as long as a task may take."""
        assert self._remote
        loaded, now = set(self._in_use()), time.monotonic()
        with self._mutex:
            for reference, answer in list(self._answers.items()):
                stored = answer.fetched.stored
                if now - answer.used_at > self._keep_seconds and (stored.name, stored.revision) not in loaded:
                    del self._answers[reference]
            kept = {answer.fetched.kept_as for answer in self._answers.values()}
            if self._fetches:  # which may be about to answer with what is held
                return
        # Without the mutex: the disk may be busy for long, and whoever looks for a model must not wait for that.
        for reference in self._remote.cache.held - kept:
            if (reference.name, str(reference.revision)) not in loaded:
                self._remote.cache.let_go(reference)


def _copy(source: Arrival, target: Arrival) -> None:
    if error := source.exception():
        target.set_exception(error)
    else:
        target.set_result(source.result())
