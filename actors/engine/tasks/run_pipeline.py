"""Any transformers pipeline by its task name, one request at a time."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy
import torch
from transformers.pipelines import PIPELINE_REGISTRY

from actors.engine.loader import PIPELINE, LoadedModel, ModelInput
from actors.engine.tasks.wave_file import read_wave
from actors.engine.work import Deliver, Item, Output, Plan, Row
from actors.errors import InvalidRequest, ModelRefused
from actors.payloads import RunPipelineRequest

#: Parameters that would make transformers fetch or run something.
REFUSED_PARAMETERS = frozenset({"assistant_model", "custom_generate", "model", "tokenizer", "trust_remote_code"})

#: Kinds of pipelines whose inputs cannot reach a file or an address.
SAFE_KINDS = ("text", "image", "audio")

IMAGES_WANTED = "inputs must be an image file in base64, or a list of them"

AUDIO_WANTED = 'inputs must be {"samples": [numbers], "sampling_rate": hertz}, or an uncompressed WAV file in base64'


class RunPipeline:
    """Inputs are text, image files, WAV files or samples: transformers itself would open paths and fetch addresses."""

    def plan(self, request: RunPipelineRequest) -> Plan:
        if _kind(request.task) not in SAFE_KINDS:
            raise InvalidRequest(f"run_pipeline: task={request.task!r} takes inputs that are not accepted yet")
        if refused := REFUSED_PARAMETERS & request.parameters.keys():
            raise InvalidRequest(f"run_pipeline: parameters.{min(refused)} is not accepted")
        return Plan(PIPELINE + request.task, parameter_class=object())

    def prepare(self, model: ModelInput, requests: Sequence[RunPipelineRequest]) -> list[list[Item]]:
        return [[Item((_inputs(request), request.parameters), length=1)] for request in requests]

    def compute(self, model: LoadedModel, rows: Sequence[Row], deliver: Deliver) -> None:
        for row in rows:
            inputs, parameters = row.item.content
            try:
                value = model.pipeline(inputs, **parameters)
            except (TypeError, ValueError, KeyError) as error:
                raise InvalidRequest(f"the pipeline refused its inputs or parameters: {error}") from error
            except ImportError as error:
                raise ModelRefused(f"the pipeline needs a package that this worker lacks: {error}") from error
            deliver(row, Output(to_json(value)))

    def finish(self, request: RunPipelineRequest, outputs: Sequence[Output]) -> Any:
        return outputs[0].value


def _kind(task: str) -> str:
    if task == "automatic-speech-recognition":
        return "audio"  # transformers counts it among the multimodal ones
    try:
        _, targeted, _ = PIPELINE_REGISTRY.check_task(task)
    except KeyError:
        known = ", ".join(sorted(PIPELINE_REGISTRY.get_supported_tasks()))
        raise InvalidRequest(f"run_pipeline: task={task!r} is not known; known are {known}") from None
    return str(targeted["type"])


def _inputs(request: RunPipelineRequest) -> Any:
    return {"text": _text, "image": _images, "audio": _audio}[_kind(request.task)](request.inputs)


def _text(inputs: Any) -> Any:
    try:
        return inputs.decode() if isinstance(inputs, bytes) else inputs
    except UnicodeDecodeError:
        raise InvalidRequest("inputs must be text in UTF-8") from None


def _images(inputs: Any) -> Any:
    if isinstance(inputs, list):
        return [_images(image) for image in inputs]
    try:
        file = io.BytesIO(_file(inputs))
    except (TypeError, ValueError):
        raise InvalidRequest(IMAGES_WANTED) from None
    try:
        from PIL import Image  # noqa: PLC0415  # an optional package that only image pipelines need
    except ImportError:
        raise ModelRefused("image pipelines need the package pillow, which this worker lacks") from None
    try:
        return Image.open(file)
    except OSError:
        raise InvalidRequest(IMAGES_WANTED) from None


def _audio(inputs: Any) -> Any:
    try:
        if isinstance(inputs, str | bytes):
            samples, sampling_rate = read_wave(_file(inputs))
        else:
            samples = numpy.asarray(inputs["samples"], dtype=numpy.float32)
            sampling_rate = int(inputs["sampling_rate"])
    except (TypeError, KeyError, ValueError):
        raise InvalidRequest(AUDIO_WANTED) from None
    return {"raw": samples, "sampling_rate": sampling_rate}


def _file(inputs: Any) -> bytes:
    """A file's content: inline in base64, or as it is when a reference stood for it."""
    return inputs if isinstance(inputs, bytes) else base64.b64decode(inputs, validate=True)


def to_json(value: Any) -> Any:
    """A pipeline's answer without tensors, arrays and images."""
    if isinstance(value, dict):
        return {str(key): to_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(part) for part in value]
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().tolist()
    if isinstance(value, numpy.ndarray | numpy.generic):
        return value.tolist()
    if hasattr(value, "save") and hasattr(value, "size"):
        buffer = io.BytesIO()
        value.save(buffer, format="PNG")
        return base64.b64encode(buffer.getvalue()).decode("ascii")
    return value
