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

#: The most texts in one request: one task, one result, one place in the queue.
MAX_TEXTS = 2_048

#: The longest text in characters; every model truncates or refuses long before.
MAX_TEXT_CHARACTERS = 100_000

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
    """What the pipeline takes, as JSON: a text, a list of texts, an object of keyword arguments."""
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
        raise InvalidRequest(f"{actor}: {_first_problem(error)}") from None


def check_size(fields: dict[str, Any], max_bytes: int) -> None:
    """Refuses what would crowd Redis.

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


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    reason = problem["msg"].removeprefix("Value error, ").replace("Tuple", "The list")
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
    versions: dict[str, str]
    timings: Timings


class TaskResult(BaseModel):
    """What a task returns: its output, and how that came to be."""

    model_config = ConfigDict(frozen=True)

    output: Any
    metadata: Metadata
