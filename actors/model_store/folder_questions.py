"""Asks a shared folder for models, and waits for none that hangs: the answer comes when the folder gives it."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import wait

from actors.errors import ClusterError, StoreUnreachable
from actors.model_store.arrival import Arrival
from actors.model_store.reference import ModelReference
from actors.model_store.shared_folder import SharedFolder
from actors.model_store.stored_model import StoredModel
from settings.records import ArrivingModel

logger = logging.getLogger(__name__)

#: A folder that answers does so within this time, and tasks that were claimed together are then begun together.
PATIENCE_SECONDS = 0.5

#: A folder that leaves so many questions open is asked no more; each holds a thread.
MOST_QUESTIONS = 32


class FolderQuestions:
    """One question at a time about each model, in a thread of its own. `ask` may be called from any thread."""

    def __init__(self, folder: SharedFolder, new_arrival: Callable[[ModelReference], Arrival]) -> None:
        self._folder, self._new_arrival = folder, new_arrival
        self._open: dict[ModelReference, Arrival] = {}
        self._last_answers: dict[ModelReference, Arrival] = {}
        self._mutex = threading.Lock()
        self._ending: ClusterError | None = None

    @property
    def arriving(self) -> tuple[ArrivingModel, ...]:
        """What is waited for."""
        with self._mutex:
            questions = tuple(self._open.values())
        return tuple(asked.progress.to_record() for asked in questions if asked.progress.seconds > PATIENCE_SECONDS)

    def ask(self, reference: ModelReference) -> Arrival:
        """What the folder answers, or will; waits for `PATIENCE_SECONDS` at most, whoever asked first.

        It may fail as `SharedFolder.find` does.
        """
        if known := self._folder.known(reference):
            return self._answered(reference, known)
        asked = self._asked(reference)
        if (patience := PATIENCE_SECONDS - asked.progress.seconds) > 0:
            wait([asked], patience)
        if self._ending:
            self.stop(self._ending)
        return asked

    def stop(self, error: ClusterError) -> None:
        """Ends what is waited for; from now on a folder that does not answer at once is not waited for."""
        self._ending = error
        with self._mutex:
            questions, self._open = self._open, {}
        for asked in questions.values():
            asked.set_exception(error)

    def _answered(self, reference: ModelReference, stored: StoredModel) -> Arrival:
        """The same for all who ask while the answer is trusted."""
        if (answered := self._last_answers.get(reference)) is None or answered.result() is not stored:
            answered = self._last_answers[reference] = self._new_arrival(reference)
            answered.set_result(stored)
        return answered

    def _asked(self, reference: ModelReference) -> Arrival:
        with self._mutex:
            if asked := self._open.get(reference):
                return asked
            asked = self._new_arrival(reference)
            asked.progress.begin("asking the folder")
            if len(self._open) >= MOST_QUESTIONS:
                asked.set_exception(
                    StoreUnreachable(f"{reference}: the model folder does not answer; look at its mount")
                )
                return asked
            self._open[reference] = asked
        threading.Thread(target=self._answer, args=(reference, asked), name="folder-question", daemon=True).start()
        return asked

    def _answer(self, reference: ModelReference, asked: Arrival) -> None:
        """In the thread that may hang."""
        try:
            stored = self._folder.find(reference)
        except BaseException as error:  # noqa: BLE001  # whoever waits gets it
            if self._close(reference, asked):
                asked.set_exception(error)
            return
        if self._close(reference, asked):
            asked.set_result(stored)

    def _close(self, reference: ModelReference, asked: Arrival) -> bool:
        """False when it was ended before its answer came."""
        with self._mutex:
            is_open = self._open.get(reference) is asked
            if is_open:
                del self._open[reference]
            return is_open
