"""Tells how many of a model's weights transformers has read, through its hook for progress bars."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers.utils import logging as transformers_logging

from actors.model_store.progress import Progress


@contextmanager
def weights_told_to(progress: Progress, weights_bytes: int) -> Iterator[None]:
    """Around the reading of a model on the device thread, the only one that reads any.

    Raises:
      LoadTimedOut: Before the first weight that would be read too late.
    """

    def bar(factory: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if options.get("desc") != "Loading weights":
            return factory(*arguments, **options)
        return _told(list(*arguments), progress, weights_bytes)

    previous = transformers_logging.set_tqdm_hook(bar)
    try:
        yield
    finally:
        transformers_logging.set_tqdm_hook(previous)


def _told(weights: list[Any], progress: Progress, weights_bytes: int) -> Iterator[Any]:
    """The weights, as long as there is time; each counts as the same share of the bytes, which is about right."""
    for index, weight in enumerate(weights):
        progress.check()
        yield weight
        progress.add(weights_bytes * (index + 1) // len(weights) - weights_bytes * index // len(weights))
