"""What callers ask for and what they get back: frozen, strict, the same at the gateway and in the worker."""

import re
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    model_validator,
)

from actors.errors import InvalidRequest, RequestTooLarge
from settings.worker_commands import Action

#: The most texts in one request: one task, one result, one place in the queue.
MAX_TEXTS = 2_048

#: The longest text in characters; every model truncates or refuses long before.
MAX_TEXT_CHARACTERS = 100_000

#: The most characters of a file reference's path, and bytes of a name in it.
MAX_PATH_CHARACTERS, MAX_NAME_BYTES = 1_000, 255

#: How much of a wrong value an error message shows.
SHOWN_CHARACTERS = 80

_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[A-Za-z0-9][\w.-]*)?", re.ASCII)


def _model_id(value: str) -> str:
    if len(value) > 200 or not _MODEL_ID.fullmatch(value) or ".." in value:
        raise ValueError(
            "a model is named org/name or org/name@revision, in letters, digits, '.', '_' and '-', "
            "at most 200 characters"
        )
    return value


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("the text is empty")
    if len(value) > MAX_TEXT_CHARACTERS:
        raise ValueError(f"the text has {len(value):,} characters; at most {MAX_TEXT_CHARACTERS:,} are accepted")
    return value


def _counted(least: int, most: int, noun: str) -> BeforeValidator:
    """Counts a list before its elements are looked at: there may be millions, each with an error of its own."""

    def check(value: object) -> object:
        if isinstance(value, list | tuple) and not least <= len(value) <= most:
            raise ValueError(f"{len(value):,} {noun} were given; {least} to {most:,} are accepted")
        return value

    return BeforeValidator(check)


ModelId = Annotated[str, AfterValidator(_model_id)]
Text = Annotated[str, AfterValidator(_text)]
#: JSON has lists only, so the tuple is not strict; its texts are.
Texts = Annotated[tuple[Annotated[Text, Strict()], ...], Strict(False), _counted(1, MAX_TEXTS, "texts")]


def _path_inside(value: str) -> str:
    names = value.split("/")
    if len(value) > MAX_PATH_CHARACTERS or not value.isprintable() or set(value) & set("\\:"):
        raise ValueError("a path has at most 1,000 printable characters, no backslash and no colon")
    if {"", ".", ".."} & set(names) or any(len(name.encode()) > MAX_NAME_BYTES for name in names):
        raise ValueError("a path leads down from the shared folder, as in sub/clip.wav")
    return value


#: How a content is read: parsed as JSON, decoded as UTF-8, or as it is.
ReadAs = Literal["json", "text", "bytes"]


class _Reference(BaseModel):
    """Stands in a request for the value of a field."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    read_as: ReadAs | None = Field(default=None, alias="as")
    """Not given: as `READ_AS` says for the field."""


class BlobReference(_Reference):
    """`{"$blob": SHA-256}`: a content that `Client.put` has stored."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", alias="$blob")]

    @classmethod
    def of(cls, digest: str, read_as: ReadAs | None) -> Self:
        """The reference to a content."""
        return cls.model_validate({"$blob": digest, "as": read_as})


class FileReference(_Reference):
    """`{"$file": "sub/clip.wav"}`: a file below the workers' INPUT_FOLDER."""

    path: Annotated[str, AfterValidator(_path_inside), Field(alias="$file")]


#: How a field reads a content that does not say; all others read JSON.
READ_AS: dict[str, ReadAs] = {"prompt": "text", "inputs": "bytes"}


class Request(BaseModel):
    """The fields of every task: which model it is for."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    model: ModelId
    """The model's id, `org/name`, or `org/name@revision` to hold it fixed."""


class EmbedRequest(Request):
    """Texts to vectors."""

    texts: Texts
    """1 to 2,048 texts. What is longer than the model's own limit is cut, as sentence-transformers does."""
    normalize: bool | None = None
    """Scale vectors to length 1. Not given: as the model's own files say."""
    encoding: Literal["float", "base64"] = "float"
    """float: lists of numbers. base64: little-endian float32 bytes, a quarter of the size."""


class ClassifyRequest(Request):
    """Texts to labels with probabilities."""

    texts: Texts
    """1 to 2,048 texts."""
    top_k: int | None = Field(default=None, ge=1)
    """How many labels a text gets, most probable first. Not given: all of them."""


class ChatMessage(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Literal["system", "user", "assistant"]
    content: Text


class GenerateRequest(Request):
    """A prompt or a conversation to text."""

    prompt: Text | None = None
    """The text to go on from, exactly as it is."""
    messages: Annotated[tuple[ChatMessage, ...], Strict(False), _counted(1, MAX_TEXTS, "messages")] | None = None
    """A conversation, rendered with the model's own chat template. Give this or `prompt`."""
    max_new_tokens: int = Field(default=128, ge=1, le=131_072)
    """The most tokens to generate; prompt and new tokens together must fit the model's context."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """0 is greedy: always the most probable token."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Sample among the most probable tokens that together reach this probability."""
    top_k: int = Field(default=50, ge=0, le=1_000)
    """Sample among this many most probable tokens; 0 is all of them."""
    repetition_penalty: float = Field(default=1.1, ge=0.1, le=2)
    """Above 1, tokens that were there already become less probable."""
    stop: Annotated[
        tuple[Annotated[str, Strict(), Field(min_length=1, max_length=200)], ...],
        Strict(False),
        _counted(0, 8, "strings"),
    ] = ()
    """Up to 8 strings; the text ends before the first one that is generated."""
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    """Makes a sampled text repeatable on one kind of host. A request with a seed runs in a batch of its own."""
    stream: bool = False
    """Publish the text as it comes, for `Client.stream`."""

    @model_validator(mode="after")
    def _one_kind_of_input(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either `prompt` or `messages`")
        return self


class RunPipelineRequest(Request):
    """Any transformers pipeline by its task name, for what has no actor of its own."""

    task: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    """The pipeline's task, such as `fill-mask` or `token-classification`."""
    inputs: Any
    """What the pipeline takes, as JSON: a text, a list of texts, an object of keyword arguments. Bytes of a file, when
    a reference stood here."""
    parameters: dict[str, Any] = {}
    """Keyword arguments of the pipeline's call."""


REQUESTS: dict[str, type[Request]] = {
    "embed": EmbedRequest,
    "classify": ClassifyRequest,
    "generate": GenerateRequest,
    "run_pipeline": RunPipelineRequest,
}


def parse_request(actor: str, fields: dict[str, Any]) -> Request:
    """Turns an actor's keywords into a request.

    Raises:
      InvalidRequest: With the first field that is wrong, its value and what is allowed.
    """
    try:
        return REQUESTS[actor].model_validate(fields)
    except ValidationError as error:
        raise InvalidRequest(f"{actor}: {_described(_problems(error)[0])}") from None


def check_request(actor: str, fields: dict[str, Any]) -> None:
    """Checks an actor's keywords as far as it can be told without what their references stand for.

    Raises:
      InvalidRequest: With the first field or reference that is wrong.
    """
    references = references_in(actor, fields)
    try:
        REQUESTS[actor].model_validate(fields)
    except ValidationError as error:
        for problem in _problems(error):
            if not problem["loc"] or problem["loc"][0] not in references:
                raise InvalidRequest(f"{actor}: {_described(problem)}") from None


def references_in(actor: str, fields: dict[str, Any]) -> dict[str, BlobReference | FileReference]:
    """The fields whose value is elsewhere; `model` is always inline, because the queue goes by it.

    Raises:
      InvalidRequest: When a reference has another shape.
    """
    known = REQUESTS[actor].model_fields
    return {
        name: _parsed_reference(actor, name, value)
        for name, value in fields.items()
        if is_reference(value) and name in known and name != "model"
    }


def is_reference(value: object) -> bool:
    """Whether a field's value is elsewhere; whether it can be read has not been checked."""
    return isinstance(value, dict) and not value.keys().isdisjoint({"$blob", "$file"})


def _parsed_reference(actor: str, field: str, value: dict[str, Any]) -> BlobReference | FileReference:
    kind = BlobReference if "$blob" in value else FileReference
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        problem = _problems(error)[0]
        raise InvalidRequest(f"{actor}: {_described({**problem, 'loc': (field, *problem['loc'])})}") from None


def read_as(field: str, reference: BlobReference | FileReference) -> ReadAs:
    """How the content of a field's reference is to be read."""
    return reference.read_as or READ_AS.get(field, "json")


def check_size(fields: dict[str, Any], max_bytes: int) -> int:
    """Refuses what would crowd Redis; returns how many bytes the keywords take as JSON.

    Raises:
      RequestTooLarge: When the keywords take more than `max_bytes` as JSON.
      InvalidRequest: When they are not JSON at all.
    """
    try:
        size = len(orjson.dumps(fields))
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}") from None
    if size > max_bytes:
        raise RequestTooLarge(f"the request has {size:,} bytes; at most {max_bytes:,} are accepted (MAX_PAYLOAD_BYTES)")
    return size


def _problems(error: ValidationError) -> list[dict[str, Any]]:
    return [dict(problem) for problem in error.errors(include_url=False)]


def _described(problem: dict[str, Any]) -> str:
    reason: str = problem["msg"].removeprefix("Value error, ").replace("Tuple", "The list")
    if problem["type"] == "extra_forbidden":
        reason = "there is no such field"
    if problem["type"] == "tuple_type":
        reason = "a list is needed"
    if problem["type"] == "missing":
        return f"{_path(problem['loc'])} is missing"
    if not problem["loc"]:
        return reason
    return f"{_path(problem['loc'])}={_shown(problem['input'])}: {reason}"


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_field(part)}" for part in location).lstrip(".")


def _field(name: str) -> str:
    return name if name.isidentifier() and len(name) <= SHOWN_CHARACTERS else _shown(name)


def _shown(value: object) -> str:
    # A list may have millions of elements, of which none beyond these can be shown.
    try:
        text = ascii(value[: SHOWN_CHARACTERS + 1] if isinstance(value, str | bytes | list | tuple) else value)
    except RecursionError:
        return "(nested too deeply to be shown)"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


class Timings(BaseModel):
    """Where a task's time went, in milliseconds."""

    model_config = ConfigDict(frozen=True)

    queued_ms: float
    """From the caller's send until a worker begins it."""
    load_ms: float
    """Waiting for the model to be loaded."""
    batch_wait_ms: float
    """Waiting for the device while it worked on something else."""
    compute_ms: float
    """In the batches that this task's rows were part of."""


class Metadata(BaseModel):
    """How an output came to be."""

    model_config = ConfigDict(frozen=True)

    model: str
    revision: str
    worker_id: str
    device: str
    backend: str
    dtype: str
    batch_size: int
    """Rows in the largest batch that this task was part of."""
    input_tokens: int
    output_tokens: int
    truncated: int = 0
    """How many texts were longer than the model reads and were cut."""
    attempts: int = 1
    """How often it was tried, this time included."""
    retry_reasons: tuple[str, ...] = ()
    """Why each earlier attempt failed."""
    versions: dict[str, str]
    timings: Timings


class TaskResult(BaseModel):
    """What a task returns: its output, and how that came to be."""

    model_config = ConfigDict(frozen=True)

    output: Any
    metadata: Metadata


class WorkerCommand(BaseModel):
    """What one worker is to do."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    worker_id: str
    action: Action
    model: ModelId | None = None
    task: Literal["embed", "classify", "generate"] | None = None
    keep_alive: float | int | None = None

    @model_validator(mode="after")
    def _models_where_needed(self) -> Self:
        if (self.model is None) == (self.action in ("load", "unload", "pin", "unpin")):
            raise ValueError(f"{self.action} takes {'a' if self.model is None else 'no'} model")
        return self


def parse_command(fields: dict[str, Any]) -> WorkerCommand:
    """Turns a command's keywords into a command.

    Raises:
      InvalidRequest: With the first field that is wrong, its value and what is allowed.
    """
    try:
        return WorkerCommand.model_validate(fields)
    except ValidationError as error:
        raise InvalidRequest(f"command: {_described(_problems(error)[0])}") from None
