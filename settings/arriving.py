"""What is told of a model on its way to a device, in words."""

from settings.byte_sizes import format_bytes
from settings.records import ArrivingModel, WorkerRecord

#: A phase as what the worker does with the model, and what is said behind the model's name.
_DOING = {
    "looking up": ("looking up", ""),
    "asking the folder": ("waiting for", ", which the model folder is asked for"),
    "waiting for the registry": ("waiting for", " until the model-manager has it"),
    "waiting for another process": ("waiting for", ", which another process of its host downloads"),
    "downloading": ("downloading", ""),
    "verifying": ("verifying", ""),
    "reading": ("loading", ""),
    "copying": ("copying", " to its device"),
    "warming up": ("warming up", ""),
}


def describe_arriving(arriving: ArrivingModel, name: str | None = None) -> str:
    """downloading org/name: 1.2 of 4.1 GB, about 20 s left; `name` is what to call the model in place of its own."""
    doing, more = _DOING.get(arriving.phase, (arriving.phase, ""))
    figures = _figures(arriving)
    return f"{doing} {name or arriving.model}{more}{f': {figures}' if figures else ''}"


def describe_progress(arriving: ArrivingModel) -> str:
    """The same without the model: downloading 1.2 of 4.1 GB, about 20 s left."""
    return " ".join(filter(None, [arriving.phase, _figures(arriving)]))


def describe_for_task(record: WorkerRecord, model: str | None, name: str | None = None) -> list[str]:
    """The model that a task waits for, called `name` where that is given, and what the device loads instead of it."""
    own = arriving_on(record, model)
    words = [describe_arriving(own, name)] if own else []
    if record.loading and (own is None or own.model != record.loading):
        other = arriving_on(record, record.loading)
        words.append(describe_arriving(other) if other else f"loading {record.loading}")
    return words


def arriving_on(record: WorkerRecord, model: str | None) -> ArrivingModel | None:
    """How far a worker is with a model that tasks call by this name."""
    named = (arriving for arriving in record.arriving if model in (arriving.model, arriving.model.partition("@")[0]))
    return next(named, None) if model else None


def _figures(arriving: ArrivingModel) -> str:
    return ", ".join(filter(None, [_share(arriving), _left(arriving)]))


def _share(arriving: ArrivingModel) -> str:
    if arriving.total_bytes is None:
        return "" if arriving.done_bytes is None else format_bytes(arriving.done_bytes)
    total = format_bytes(arriving.total_bytes)
    if arriving.done_bytes is None:
        return total
    done, unit = format_bytes(arriving.done_bytes), total.partition(" ")[2]
    return f"{done.removesuffix(f' {unit}')} of {total}"


def _left(arriving: ArrivingModel) -> str:
    if arriving.seconds_left is None or not arriving.seconds_left < 10**9:
        return ""
    return f"about {max(0.0, arriving.seconds_left):,.0f} s left"
