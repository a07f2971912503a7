"""The configuration, read from the environment and from `.env` in the working directory."""

import logging
import os
import re
import socket
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from dotenv import dotenv_values
from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from settings.keep_alive import keep_alive_seconds

logger = logging.getLogger(__name__)

#: Names from the first version of the platform that are still read, and what to say about them.
LEGACY_NAMES = {
    "CELERY_RESULT_BACKEND": "RESULT_BACKEND_URL",
    "MODEL_CACHE_DIR": "MODEL_MANAGER_PATH",
    "GPU_INDEX": "GPU_DEVICES",
    "DIRECTML_DEVICE_INDEX": "GPU_DEVICES",
    "TORCH_DTYPE": "MODEL_DTYPE",
    "MAX_MODEL_CACHE_SIZE_GB": "MODEL_CACHE_GB",
}

#: The tasks that a model can be loaded for without a caller's input.
PRELOADABLE = ("embed", "classify", "generate")
_PRELOADABLE = "being one of " + ", ".join(PRELOADABLE)

#: What a model may be loaded in, and how it may compute its attention.
DTYPES = ("auto", "float32", "float16", "bfloat16")
ATTENTIONS = ("eager", "sdpa", "flash_attention_2")

_DEVICE = r"(?:\d+|(?:cuda|xpu|directml|cpu)(?::\d+)?)"
_DEVICES = re.compile(rf"auto|all|{_DEVICE}(?:,{_DEVICE})*")
_REDIS_URL = re.compile(r"(redis|rediss|unix)://.+")
_HTTP_URL = re.compile(r"https?://[^/?#@\s]+(/[^?#@\s]*)?")


class InvalidConfiguration(SystemExit):
    """A setting has a value that cannot be used; ends the start-up with one line and no traceback."""


def _devices(value: str) -> str:
    value = value.replace(" ", "").lower()
    if not _DEVICES.fullmatch(value):
        raise ValueError(
            "allowed are auto, all, or a comma-separated list of indices and devices such as 0,2 or cuda:0,cpu"
        )
    return value


def _redis_url(value: str) -> str:
    if not _REDIS_URL.fullmatch(value):
        raise ValueError("allowed are redis://HOST:PORT/DB, rediss://… (TLS) and unix://PATH")
    return value


def _http_url(value: str) -> str:
    if not _HTTP_URL.fullmatch(value):
        raise ValueError("allowed are http://HOST:PORT and https://HOST:PORT, without a name, a password or a query")
    return value.rstrip("/")


def _existing_folder(value: Path) -> Path:
    if not value.expanduser().is_dir():
        raise ValueError("allowed is an existing folder that this process may read")
    return value.expanduser()


def _keep_alive(value: str) -> str:
    keep_alive_seconds(value)
    return value


def _preloads(value: str) -> str:
    for part in filter(None, value.split(",")):
        task, _, model = part.strip().rpartition("=")
        if not model or task not in ("", *PRELOADABLE):
            raise ValueError(f"allowed are org/name and TASK=org/name with commas between, TASK {_PRELOADABLE}")
    return value


@cache
def _choices(value: str) -> dict[str, str]:
    """The choice for each model: `org/a=float16, org/b=auto`."""
    parts = (part.strip().rpartition("=") for part in value.split(",") if part.strip())
    return {model.strip(): choice.strip() for model, _, choice in parts}


def _choice_for_models(*allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        choices, names = _choices(value), [part.rpartition("=")[0].strip() for part in value.split(",") if part.strip()]
        for model, choice in choices.items():
            if not model or "@" in model or choice not in allowed:
                raise ValueError(
                    f"{model or 'a model without a name'} has {choice!r:.60}; allowed are org/name=CHOICE without a"
                    f" revision and with commas between, CHOICE being one of {', '.join(allowed)}"
                )
            if names.count(model) > 1:
                raise ValueError(f"{model} is named {names.count(model)} times; name it once")
        return value

    return AfterValidator(check)


RedisUrl = Annotated[str, AfterValidator(_redis_url)]


class Settings(BaseSettings):
    """Every setting, named as in the environment but in lower case; the docstrings are the operator's reference."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    redis_url: RedisUrl | None = None
    """The Redis (6.2 or newer) or Valkey that holds the queues: redis://:PASSWORD@HOST:6379/0. Not set:
    redis://127.0.0.1:6379/0, and where nothing listens there a worker starts a private server for a first run."""

    result_backend_url: RedisUrl | None = Field(
        default=None, validation_alias=AliasChoices("RESULT_BACKEND_URL", "CELERY_RESULT_BACKEND")
    )
    """Where results and streams are kept. Not set: the next database of REDIS_URL's server."""

    gpu_devices: Annotated[str, AfterValidator(_devices)] = "auto"
    """The devices of this host that serve, one process each. auto: every device of the first of CUDA (ROCm included),
    XPU, DirectML, CPU that has one. all: every accelerator of every kind. 0,2: these indices of auto's choice.
    cuda:0, xpu:0, directml:1, cpu: exactly these; a device that is not available ends the worker with the reason."""

    gpu_index: int | None = Field(default=None, ge=0)
    """The old name for one index in GPU_DEVICES; read only when GPU_DEVICES is not set."""

    directml_device_index: int | None = Field(default=None, ge=0)
    """The old name for GPU_DEVICES=directml:N; read only when GPU_DEVICES is not set."""

    gpu_memory_fraction: float = Field(default=0.9, gt=0, le=1)
    """The share of a device's memory that loaded models may fill, more than 0 and at most 1. On the CPU: of the RAM."""

    worker_concurrency: int = Field(default=64, ge=1, le=1024)
    """How many tasks one process holds at a time, so that they can be batched."""

    batch_tokens: int | None = Field(default=None, ge=1)
    """The most padded tokens in one batch, for a device whose memory is short; how many of them are the fastest is
    learned. Not set: a value that suits the kind of device."""

    cpu_threads: int | None = Field(default=None, ge=1)
    """Threads that one process computes with on the CPU. Not set: PyTorch's own choice, one a core."""

    model_manager_path: Annotated[Path, AfterValidator(_existing_folder)] | None = Field(
        default=None, validation_alias=AliasChoices("MODEL_MANAGER_PATH", "MODEL_CACHE_DIR")
    )
    """The folder that the model-manager shares: models in the Hub's cache layout or in folders named after them."""

    model_manager_url: Annotated[str, AfterValidator(_http_url)] | None = None
    """The address that models are downloaded from, and the only one: http://HOST:PORT of the model-manager or of any
    server that speaks the Hugging Face Hub's HTTP API. What MODEL_MANAGER_PATH has is taken from there first."""

    model_manager_token: SecretStr | None = None
    """The bearer token for MODEL_MANAGER_URL."""

    model_manager_register: bool = False
    """Whether each worker process tells the model-manager at MODEL_MANAGER_URL that it is there."""

    model_cache_path: Path | None = None
    """The folder on a disk of this host that downloaded models are kept in. Not set: `models` in STATE_DIR."""

    model_cache_gb: float | None = Field(
        default=None, gt=0, validation_alias=AliasChoices("MODEL_CACHE_GB", "MAX_MODEL_CACHE_SIZE_GB")
    )
    """Gigabytes (10^9 bytes) of disk that downloaded models may take; those that were not used for the longest time go
    first. Not set: as much as the disk has."""

    model_dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        default="auto", validation_alias=AliasChoices("MODEL_DTYPE", "TORCH_DTYPE")
    )
    """The precision that models are loaded in: auto, float32, float16 or bfloat16. auto is the checkpoint's own on CUDA
    and XPU, else float32, but for embed and classify on a CPU that is faster in bfloat16. float32 is the exact one."""

    model_dtypes: Annotated[str, _choice_for_models(*DTYPES)] = ""
    """The precision of single models where MODEL_DTYPE is not right for them: org/name=float16, with commas between. A
    device that does not compute in it (bfloat16 on DirectML) refuses the model."""

    model_attention: Annotated[str, _choice_for_models(*ATTENTIONS)] = ""
    """How single models compute their attention: org/name=sdpa, with commas between; eager, sdpa or flash_attention_2.
    Not said, it is eager on DirectML, where some models end the process with the others, else transformers' choice."""

    keep_alive: Annotated[str, AfterValidator(_keep_alive)] = "-1"
    """How long a model stays in memory after its last use: 10m, 24h, 300 (seconds), 0 (until its tasks have ended), -1
    (until its room is needed). A task and a load may say something else for their model."""

    preload_models: Annotated[str, AfterValidator(_preloads)] = ""
    """Models that a worker loads and computes with once before it takes tasks: org/name or TASK=org/name, with commas
    between. Not said, the task is the one that the model was made for."""

    host_cache_gb: float | None = Field(default=None, ge=0)
    """Gigabytes (10^9 bytes) of RAM in which each process keeps the weights of models that had to leave its device, so
    that they come back without being read. 0: none. Not set: a sixteenth of the RAM, none below 16 GB. The device cpu
    needs none."""

    swap_max_wait: float = Field(default=10.0, ge=0, le=3600)
    """Seconds that a task may wait for its model while workers are busy with others, before one of them swaps."""

    max_payload_bytes: int = Field(default=4_194_304, ge=1024)
    """The largest task message in bytes. The gateway refuses to send a larger one, the worker to run it."""

    max_blob_bytes: int = Field(default=67_108_864, ge=1024, le=536_870_912)
    """The largest input in bytes that a task refers to: one that `Client.put` stores, or a file of INPUT_FOLDER."""

    input_folder: Annotated[Path, AfterValidator(_existing_folder)] | None = None
    """A folder that gateways and workers share, below which tasks may name files as inputs. Not set: they may not."""

    max_queue_depth: int = Field(default=10_000, ge=0)
    """The most tasks that may wait in one lane, of one model and priority. The clients refuse to send further ones;
    what plain Dramatiq sends is not refused. 0: no limit."""

    task_timeout: int = Field(default=300, ge=1)
    """Seconds that one task may take from when a worker has it, before it is stopped and fails. Bringing and loading
    models is not counted; that has MODEL_LOAD_TIMEOUT."""

    model_load_timeout: int = Field(default=600, ge=1)
    """Seconds that downloading one model may take, and then loading it, before its tasks fail; also opening the device.
    What came of a download by then is kept. A process whose device hangs for longer is ended."""

    model_load_seconds_per_gb: float = Field(default=10.0, ge=0)
    """Seconds that a download and a load may take besides for each gigabyte (10^9 bytes) of the model: 10 allow for
    100 MB/s."""

    result_ttl: int = Field(default=3600, ge=1)
    """Seconds that a result is kept for its caller."""

    monitor_actions: bool = False
    """Whether the monitor may change anything: command workers, pause and empty queues, send dead letters again and
    delete them. Off, it only reads."""

    worker_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """A name for this host's workers. Not set: the host's name. The process id is added to it."""

    state_dir: Path = Field(default_factory=lambda: Path(platformdirs.user_state_dir("cluster-manager")))
    """The folder for device locks, the private Redis of a first run, and what the monitor deletes and exports."""

    @model_validator(mode="before")
    @classmethod
    def _read_old_device_names(cls, values: dict[str, object]) -> dict[str, object]:
        given = {name.lower(): value for name, value in values.items()}
        if "gpu_devices" not in given:
            # What is not a number is left for the field's own complaint.
            if str(index := given.get("directml_device_index")).isdigit():
                return {**values, "gpu_devices": f"directml:{index}"}
            if str(index := given.get("gpu_index")).isdigit():
                return {**values, "gpu_devices": str(index)}
        return values

    @property
    def model_cache_folder(self) -> Path:
        """Where downloaded models are kept."""
        return (self.model_cache_path or self.state_dir / "models").expanduser()

    def load_seconds(self, size: int) -> float:
        """How long bringing a model of so many bytes may take, and how long reading it."""
        return self.model_load_timeout + self.model_load_seconds_per_gb * size / 1e9

    @property
    def preloads(self) -> tuple[tuple[str | None, str], ...]:
        """The task, where it is said, and the name of each model of PRELOAD_MODELS."""
        parts = (part.strip().rpartition("=") for part in self.preload_models.split(",") if part.strip())
        return tuple((task or None, model) for task, _, model in parts)

    def dtype_of(self, model: str) -> str:
        """The precision that a model is to be loaded in, `auto` included."""
        return _choices(self.model_dtypes).get(model, self.model_dtype)

    def attention_of(self, model: str) -> str | None:
        """The attention implementation that a model is to be loaded with, None when that is left to its device."""
        return _choices(self.model_attention).get(model)

    @property
    def may_choose_dtype(self) -> bool:
        """Whether there are models whose precision is not said."""
        return "auto" in (self.model_dtype, *_choices(self.model_dtypes).values())

    @cached_property
    def host_name(self) -> str:
        """The name that this host's workers and their records carry."""
        return self.worker_id or re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname()) or "host"


def _one_line(error: ValidationError) -> str:
    """The first problem of a configuration: the variable, its value, what is allowed."""
    problem = error.errors()[0]
    reason = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return f"Configuration: {reason}."
    variable = str(problem["loc"][0]).upper()
    return f"Configuration: {variable}={_without_password(str(problem['input']))} is not valid: {reason}."


def _without_password(value: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", value)


def _note_legacy_names(env_file: str | None) -> None:
    given = {*os.environ, *(dotenv_values(env_file) if env_file else ())}
    for old, new in LEGACY_NAMES.items():
        if old in given:
            logger.warning("%s is the old name of %s; it is still read, but set %s instead.", old, new, new)


def read_settings(env_file: str | None = ".env") -> Settings:
    """Reads the configuration anew.

    Raises:
      InvalidConfiguration: With the first variable that is wrong, its value and what is allowed.
    """
    try:
        settings = Settings(_env_file=env_file)
    except ValidationError as error:
        raise InvalidConfiguration(_one_line(error)) from None
    _note_legacy_names(env_file)
    return settings


@cache
def current_settings() -> Settings:
    """This process's configuration, read once."""
    return read_settings()
