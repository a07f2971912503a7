"""What can be done with the models in memory, on the device thread; each returns the ids of those that are meant."""

from collections.abc import Callable

from actors.engine.loader import LoadedModel
from actors.engine.model_cache import ModelCache
from actors.errors import ModelNotLoaded


def unload(model: str, cache: ModelCache) -> tuple[str, ...]:
    """Frees a model, a pinned one too."""
    keys = [loaded.key for loaded in _loaded(model, cache)]
    for key in keys:
        cache.evict(key)
    return tuple(map(str, keys))


def pin(model: str, cache: ModelCache) -> tuple[str, ...]:
    """Keeps a model in memory, whatever else wants its room."""
    return _set_pinned(model, cache, is_pinned=True)


def unpin(model: str, cache: ModelCache) -> tuple[str, ...]:
    """Lets a model go again."""
    return _set_pinned(model, cache, is_pinned=False)


#: By the name of the action.
HOLDINGS: dict[str, Callable[[str, ModelCache], tuple[str, ...]]] = {"unload": unload, "unpin": unpin}


def _set_pinned(model: str, cache: ModelCache, *, is_pinned: bool) -> tuple[str, ...]:
    models = _loaded(model, cache)
    for loaded in models:
        loaded.is_pinned = is_pinned
    return tuple(str(loaded.key) for loaded in models)


def _loaded(model: str, cache: ModelCache) -> list[LoadedModel]:
    if models := cache.named(model):
        return models
    held = ", ".join(sorted(str(loaded.key) for loaded in cache.models)) or "none"
    raise ModelNotLoaded(f"{model} is not in this worker's memory; loaded: {held}")
