"""Jobs whose models are names only."""

from pathlib import Path

from actors.engine.work import Item, Job, ModelKey, Plan, Row
from actors.model_store.stored_model import StoredModel


def stored_model(name: str) -> StoredModel:
    """A model that is nowhere on the disk."""
    return StoredModel(name, "main", Path(name), config={}, parameter_count=0, weights_bytes=0)


def model_key(name: str) -> ModelKey:
    """What `job` of this model asks the cache for."""
    return ModelKey(name, "main", "AutoModel")


def job(model: str = "org/name", *items: Item, submitted_at: float = 0.0, task: str = "embed") -> Job:
    """A job with a row for each item."""
    made = Job(task, None, Plan("AutoModel", None), stored_model(model), deadline=1e9, submitted_at=submitted_at)
    made.rows = [Row(made, item) for item in items]
    return made


def rows(*items: Item) -> list[Row]:
    """The rows of one job, oldest first."""
    return job("org/name", *items).rows


def lengths(batch: list[Row]) -> list[int]:
    """How long each row is."""
    return [row.item.length for row in batch]
