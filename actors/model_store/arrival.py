"""A model that is on this host, or on its way there."""

from concurrent.futures import Future

from actors.model_store.progress import Progress
from actors.model_store.stored_model import StoredModel


class Arrival(Future[StoredModel]):
    """Holds the verified folder when it is there, and tells until then how far it is."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress
