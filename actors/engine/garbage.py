"""Python's garbage collector in a process that holds torch, transformers and models: hundreds of thousands of objects.

A collection that goes through all of them stops every thread for about a third of a second, several times a minute
under load. They live as long as their model, so they are set aside; when a model is given up, all are looked at.
"""

import gc

#: So many new objects are made before a collection. A task makes about a hundred and gives all of them up without one:
#: at Python's 700 collections took a twelfth of a worker's processor time.
NEW_OBJECTS = 10_000


def set_aside() -> None:
    """Spares everything that exists now from further collections, which become rare."""
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


def collect_all() -> None:
    """Collects what nobody refers to any more, also of what was set aside."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
