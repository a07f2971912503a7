"""What an engine says about itself."""

from dataclasses import dataclass

from actors.engine.loader import LoadedModel
from settings.records import ArrivingModel


@dataclass(frozen=True)
class EngineStatus:
    """What the engine is doing; read from any thread."""

    loading: str | None
    arriving: tuple[ArrivingModel, ...]
    computing: bool
    models: tuple[LoadedModel, ...]
    budget_bytes: int | None
