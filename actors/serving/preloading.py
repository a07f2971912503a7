"""Loads the models of PRELOAD_MODELS and computes with each once, before a worker takes its first task."""

import logging
from typing import TYPE_CHECKING

from settings.config import Settings

if TYPE_CHECKING:
    from actors.engine.engine import Engine

logger = logging.getLogger(__name__)


def preload(engine: "Engine", settings: Settings) -> None:
    """Returns when all are there. One that cannot be loaded is told in the log: the worker can serve the others."""
    for task, model in settings.preloads:
        try:
            engine.load(model, task, settings.model_load_timeout).future.result(settings.model_load_timeout)
        except Exception as error:
            logger.exception("PRELOAD_MODELS: %s is not there: %s", model, error)
