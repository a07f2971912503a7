"""From a verified folder to a model on the device, through transformers."""

import logging
import math
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.utils import logging as transformers_logging

from actors.devices.backend import Device
from actors.devices.out_of_memory import is_out_of_memory
from actors.engine.batch_ceiling import BatchCeiling
from actors.engine.batch_cost import BatchCost
from actors.engine.host_weights import tensor_bytes
from actors.engine.weights_told import weights_told_to
from actors.engine.work import Job, ModelKey
from actors.errors import ClusterError, ModelBroken, ModelRefused
from actors.model_store.progress import Progress
from actors.model_store.stored_model import StoredModel

logger = logging.getLogger(__name__)

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

#: The prefix of an architecture that is a transformers pipeline.
PIPELINE = "pipeline:"

#: What a model is for when it is loaded as one of transformers' Auto classes.
PURPOSES = {
    "AutoModel": "text encoder",
    "AutoModelForCausalLM": "text generator",
    "AutoModelForSequenceClassification": "text classifier",
}

#: Those of them whose results a coarser precision shifts a little. Of a generator it can change the whole text.
READERS = ("AutoModel", "AutoModelForSequenceClassification")

#: Checkpoints whose numbers bfloat16 spans. It would take bits from those in float16.
WIDE_RANGE = ("float32", "bfloat16")

#: A sentence encoder's files often lack the pooler, which nothing here computes.
UNUSED_WEIGHTS = ("pooler.",)

#: No model reads this many tokens.
UNLIMITED_TOKENS = 10**9


@dataclass(frozen=True)
class ModelInput:
    """What turning a request into rows needs of a model. It holds no weights, so any thread may keep it for a while."""

    key: ModelKey
    stored: StoredModel
    tokenizer: Any
    context_tokens: int | None
    """The most tokens that the model reads at once, None when it does not say."""
    lock: threading.Lock
    """Held while tokenising: a tokenizer that two threads set up at once raises."""

    @property
    def folder(self) -> Path:
        """Where the model's files are."""
        return self.stored.folder


@dataclass
class LoadedModel:
    """A model in the device's memory, with what its tasks need of it."""

    key: ModelKey
    stored: StoredModel
    device: Device
    module: Any
    tokenizer: Any
    dtype: str
    footprint: int
    """Bytes of device memory."""
    pipeline: Any = None
    cost: BatchCost = field(default_factory=BatchCost)
    ceiling: BatchCeiling = field(default_factory=BatchCeiling)
    uses: int = 0
    loaded_at: float = field(default_factory=time.time)
    last_used_at: float = field(default_factory=time.time)
    load_seconds: float = 0.0
    """What it took to read it, which losing it would cost once more."""
    keep_alive_seconds: float = math.inf
    """How long it stays after its last use; infinite until its room is needed."""
    is_pinned: bool = False
    _tokenising: threading.Lock = field(default_factory=threading.Lock)

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.stored.folder

    @property
    def expires_at(self) -> float:
        """When it is unloaded unless it is used before; a pinned one never."""
        return math.inf if self.is_pinned else self.last_used_at + self.keep_alive_seconds

    def note_keep_alive(self, jobs: Iterable[Job]) -> None:
        """Stays for as long as the last of them says that says something."""
        for job in jobs:
            if job.keep_alive_seconds is not None:
                self.keep_alive_seconds = job.keep_alive_seconds

    @property
    def input(self) -> ModelInput:
        """Its side without weights."""
        return ModelInput(self.key, self.stored, self.tokenizer, self._context_tokens, self._tokenising)

    @property
    def _context_tokens(self) -> int | None:
        config = self.module.config
        positions = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
        # A tokenizer that knows no limit says a number with thirty digits.
        limits = (positions, getattr(self.tokenizer, "model_max_length", None))
        return min((limit for limit in limits if limit and limit < UNLIMITED_TOKENS), default=None)


def choose_dtype(requested: str, architecture: str, stored: StoredModel, device: Device) -> str:
    """The precision that a model is loaded in on a device.

    Raises:
      ModelRefused: When the device does not compute in the one that is asked for.
    """
    if requested == "auto":
        own = str(stored.config.get("dtype") or stored.config.get("torch_dtype") or "float32")
        if device.reading_dtype and architecture in READERS and own in WIDE_RANGE:
            return device.reading_dtype
        return own if device.keeps_checkpoint_dtype and own in device.dtypes else "float32"
    if requested not in device.dtypes:
        raise ModelRefused(
            f"{stored.name} is to be loaded in {requested}, and {device.name} computes in"
            f" {', '.join(sorted(device.dtypes))}: set MODEL_DTYPES={stored.name}=auto there, or MODEL_DTYPE"
        )
    return requested


def load_model(
    key: ModelKey,
    stored: StoredModel,
    device: Device,
    dtype: str,
    progress: Progress,
    attention: str | None = None,
) -> LoadedModel:
    """Reads a model on the CPU, moves it to the device and measures what it takes there. On the device thread.

    Its tokenizer is read while the weights are copied. `attention` is the implementation that an operator asks for,
    None for the device's own.

    Raises:
      ModelBroken: When transformers cannot read it.
      ModelRefused: When it would need code from the model's author, or cannot be held by this device.
    """
    before = device.memory().allocated
    progress.begin("reading", stored.weights_bytes)
    with _own_errors(key, attention), weights_told_to(progress, stored.weights_bytes):
        module, pipeline = _read(key, stored, attention or device.attention, dtype)
    module.eval()
    progress.check()
    progress.begin("copying", tensor_bytes(module))
    # Not before this: transformers imports on demand, and two threads that do so get half of a module.
    with ThreadPoolExecutor(1, "tokenizer") as beside:
        tokenizer = beside.submit(_read_tokenizer, stored, pipeline)
        device.place_module(module)
    if tokenizer.exception():
        module.to("meta")  # the error keeps this frame, and with it the module
    with _own_errors(key):
        tokenizer.result()
    if pipeline is not None:
        pipeline.device = device.torch_device
    after = device.memory().allocated
    measured = after - before if after is not None and before is not None else 0
    return LoadedModel(
        key=key,
        stored=stored,
        device=device,
        module=module,
        tokenizer=tokenizer.result(),
        dtype=dtype,
        footprint=max(measured, tensor_bytes(module)),
        pipeline=pipeline,
    )


@contextmanager
def _own_errors(key: ModelKey, attention: str | None = None) -> Iterator[None]:
    """Says what is wrong with the model; transformers raises whatever its parts raise."""
    try:
        yield
    except ClusterError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise _reason(key, error, attention) from error


def _read(key: ModelKey, stored: StoredModel, attention: str | None, dtype: str) -> tuple[Any, Any]:
    """The module, and the pipeline around it where there is one; both still on the CPU."""
    options: dict[str, Any] = {"use_safetensors": True}
    if attention:
        options["attn_implementation"] = attention
    if key.architecture.startswith(PIPELINE):
        pipeline = _read_pipeline(key, str(stored.folder), getattr(torch, dtype), options)
        return pipeline.model, pipeline
    architecture = getattr(transformers, key.architecture)
    return _read_module(key, architecture, str(stored.folder), getattr(torch, dtype), options), None


def _read_tokenizer(stored: StoredModel, pipeline: Any) -> Any:
    if pipeline is not None:
        return pipeline.tokenizer
    return transformers.AutoTokenizer.from_pretrained(stored.folder, local_files_only=True, trust_remote_code=False)


def _read_module(key: ModelKey, architecture: Any, folder: str, dtype: torch.dtype, options: dict[str, Any]) -> Any:
    module, loading = architecture.from_pretrained(
        folder, dtype=dtype, local_files_only=True, trust_remote_code=False, output_loading_info=True, **options
    )
    _refuse_invented_weights(key, loading["missing_keys"])
    return module


def _read_pipeline(key: ModelKey, folder: str, dtype: torch.dtype, options: dict[str, Any]) -> Any:
    pipeline = transformers.pipeline(
        key.architecture.removeprefix(PIPELINE),
        model=folder,
        dtype=dtype,
        device="cpu",
        trust_remote_code=False,
        model_kwargs=dict(options),
    )
    # A pipeline does not tell what it filled with random numbers, so its model is read once more.
    pipeline.model = _read_module(key, type(pipeline.model), folder, dtype, options)
    return pipeline


def _refuse_invented_weights(key: ModelKey, missing: Iterable[str]) -> None:
    """transformers fills what a checkpoint lacks with random numbers, and the model then answers nonsense."""
    needed = sorted(name for name in missing if not name.startswith(UNUSED_WEIGHTS))
    if needed:
        raise ModelRefused(f"{key.name} is not a {_purpose(key)}: its files have no {needed[0]}")


def _purpose(key: ModelKey) -> str:
    if key.architecture.startswith(PIPELINE):
        return f"model for {key.architecture.removeprefix(PIPELINE)}"
    return PURPOSES[key.architecture]


def _reason(key: ModelKey, error: Exception, attention: str | None) -> ClusterError:
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if "trust_remote_code" in str(error):
        return ModelRefused(f"{key} needs code from its author to be run, which is never done")
    logger.warning("Model %s cannot be loaded as %s.", key, key.architecture, exc_info=error)
    asked = f" with MODEL_ATTENTION={key.name}={attention}" if attention else ""
    return ModelBroken(f"{key} cannot be loaded as {key.architecture}{asked}: {first_line}")
