"""Every error that a caller, an operator or a retry policy can meet.

The class says whether trying again can help; a failed task's result carries the class name, so that `actors.client`
raises the same class at the caller.

* ClusterError
  x PermanentError          trying the same again cannot help; never retried
    - InvalidRequest
      + RequestTooLarge
    - InputNotFound
    - UnknownActor
    - ModelNotFound
    - ModelRefused
    - ModelBroken
    - ModelTooLarge
    - ModelNotLoaded
    - InferenceFailed
    - TaskTimedOut
    - DeadlineExceeded
    - TaskCancelled
    - DeliveryLimitReached
  x TransientError          another attempt, perhaps on another worker, may succeed; retried with backoff
    - DeviceOutOfMemory
    - DeviceLost
      + DeviceFaulty
    - StoreUnreachable
      + LoadTimedOut
    - StoreFull
    - LoadFailed
    - WorkerStopping
  x DeviceUnavailable       at a worker's start
  x CallerError             raised at the caller only
    - RedisUnreachable
    - QueueFull
    - WouldMissDeadline
    - ResultTimeout
    - StreamInterrupted
    - WorkerUnknown
    - WorkerSilent
    - TaskFailed
"""


class ClusterError(Exception):
    """The root of this project's errors."""


class PermanentError(ClusterError):
    """Trying the same again cannot help."""


class InvalidRequest(PermanentError):
    """A request has a field that is missing, unknown, of the wrong type or out of range."""


class RequestTooLarge(InvalidRequest):
    """A task message is larger than MAX_PAYLOAD_BYTES, or an input that it refers to than MAX_BLOB_BYTES."""


class InputNotFound(PermanentError):
    """A request refers to a content that has expired or to a file that is not there."""


class UnknownActor(PermanentError):
    """A message names an actor that the workers do not have."""


class ModelNotFound(PermanentError):
    """The model store has no such model or revision."""


class ModelRefused(PermanentError):
    """A model is there, and loading it would be unsafe or is not supported."""


class ModelBroken(PermanentError):
    """A model's files are incomplete or cannot be read."""


class ModelTooLarge(PermanentError):
    """A model needs more memory than the device's budget, or more disk than MODEL_CACHE_GB."""


class ModelNotLoaded(PermanentError):
    """A model that is to be unloaded, or is no longer to be pinned, is not in the worker's memory."""


class InferenceFailed(PermanentError):
    """The model failed on this input, alone in its batch, or gave what JSON cannot carry."""


class TaskTimedOut(PermanentError):
    """A task ran for longer than TASK_TIMEOUT."""


class DeadlineExceeded(PermanentError):
    """A task's result came too late to be of use to its caller, who had set a timeout."""


class TaskCancelled(PermanentError):
    """A task was cancelled by its caller before it ended."""


class DeliveryLimitReached(PermanentError):
    """Worker processes that had a task ended before it, one after another, and the last of them had no other task."""


class TransientError(ClusterError):
    """Another attempt may succeed."""


class DeviceOutOfMemory(TransientError):
    """The device, or its host, had no memory left for this task, alone in its batch."""


class DeviceLost(TransientError):
    """The device was removed, reset or hung; its process ends."""


class DeviceFaulty(DeviceLost):
    """Several different tasks failed on the device, one after another: it is the likelier reason."""


class StoreUnreachable(TransientError):
    """The model store, or the place that an input is kept in, does not answer, not in time, or not this worker."""


class LoadTimedOut(StoreUnreachable):
    """A model was not there, or not read, within MODEL_LOAD_TIMEOUT and its MODEL_LOAD_SECONDS_PER_GB."""


class StoreFull(TransientError):
    """This host has no room on disk for a model that would have to be downloaded."""


class LoadFailed(TransientError):
    """A device did not take a model, for a reason that is not known; another may."""


class WorkerStopping(TransientError):
    """The worker ended before the task did."""


class DeviceUnavailable(ClusterError):
    """A device that is configured cannot be used on this host."""


class CallerError(ClusterError):
    """Something went wrong between the caller and the queue."""


class RedisUnreachable(CallerError):
    """Redis does not answer the caller."""


class QueueFull(CallerError):
    """A task was not sent: MAX_QUEUE_DEPTH tasks wait in its lane; `retry_after` is in seconds."""

    def __init__(self, text: str, retry_after: float = 1.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class WouldMissDeadline(CallerError):
    """A task was not sent: the wait in its lane is expected to be longer than its `timeout`."""


class ResultTimeout(CallerError):
    """No result came within the caller's timeout; the task may still run."""


class StreamInterrupted(CallerError):
    """A stream was cut or its text begun anew; `result` still has the whole text when the task ends well."""


class WorkerUnknown(CallerError):
    """There is no live worker with this id."""


class WorkerSilent(CallerError):
    """A worker did not answer a command within the caller's timeout; it may still carry it out."""


class TaskFailed(CallerError):
    """A task failed with an error that this version of the client does not know."""


def _descendants(root: type[ClusterError]) -> dict[str, type[ClusterError]]:
    known = {root.__name__: root}
    for child in root.__subclasses__():
        known |= _descendants(child)
    return known


#: The classes that a failed task's result may name.
BY_NAME = _descendants(PermanentError) | _descendants(TransientError)


def error_named(name: str, text: str) -> ClusterError:
    """The error that a stored failure names; `TaskFailed` for one that this version does not know."""
    known = BY_NAME.get(name)
    return known(text) if known else TaskFailed(f"{name}: {text}")
