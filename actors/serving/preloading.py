"""Loads the models of PRELOAD_MODELS and computes with each once, before a worker takes its first task."""

import logging
from typing import TYPE_CHECKING

from actors.errors import DeviceLost
from settings.config import Settings

if TYPE_CHECKING:
    from actors.engine.engine import Engine

logger = logging.getLogger(__name__)

#: Each step of a load has its own limit.
LONGEST_SECONDS = 86_400.0


def preload(engine: "Engine", settings: Settings) -> None:
    """Returns when all are there, or the device is lost, for which the process ends.

    One that cannot be loaded is told in the log: the worker can serve the others.
    """
    for task, model in settings.preloads:
        try:
            engine.load(model, task, LONGEST_SECONDS).future.result(LONGEST_SECONDS)
        except DeviceLost:
            return
        except Exception as error:
            logger.exception("PRELOAD_MODELS: %s is not there: %s", model, error)
