"""The actors: what gateways send. `actors.serving` runs their messages in processes with a device."""

from typing import Any, NoReturn

import dramatiq

from actors.broker import broker
from actors.errors import DeviceUnavailable, PermanentError
from settings import keys


@dramatiq.actor(broker=broker, queue_name=keys.INFERENCE_QUEUE, throws=(PermanentError,))
def embed(*positional: Any, **fields: Any) -> None:
    """Texts to vectors; the keywords are those of `actors.payloads.EmbedRequest`."""
    _refuse("embed")


@dramatiq.actor(broker=broker, queue_name=keys.INFERENCE_QUEUE, throws=(PermanentError,))
def classify(*positional: Any, **fields: Any) -> None:
    """Texts to labels; the keywords are those of `actors.payloads.ClassifyRequest`."""
    _refuse("classify")


@dramatiq.actor(broker=broker, queue_name=keys.INFERENCE_QUEUE, throws=(PermanentError,))
def generate(*positional: Any, **fields: Any) -> None:
    """A prompt or messages to text; the keywords are those of `actors.payloads.GenerateRequest`."""
    _refuse("generate")


@dramatiq.actor(broker=broker, queue_name=keys.INFERENCE_QUEUE, throws=(PermanentError,))
def run_pipeline(*positional: Any, **fields: Any) -> None:
    """Any transformers pipeline; the keywords are those of `actors.payloads.RunPipelineRequest`."""
    _refuse("run_pipeline")


def _refuse(actor: str) -> NoReturn:
    raise DeviceUnavailable(f"{actor} runs on a worker; call {actor}.send(…) and fetch the result")
