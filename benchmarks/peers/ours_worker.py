"""This project's worker with an `embed` that computes nothing, for `dramatiq benchmarks.peers.ours_worker`.

All the rest is the service's own: checks of the request, lanes, the device thread and its batches, metadata.
"""

import os
from collections.abc import Sequence

import actors
from actors.devices.backend import Device
from actors.engine import loading
from actors.engine.loader import LoadedModel
from actors.engine.task import TASKS
from actors.engine.work import Deliver, Item, ModelKey, Output, Plan, Row
from actors.model_store.progress import Progress
from actors.model_store.stored_model import StoredModel
from actors.payloads import EmbedRequest
from benchmarks.empty_module import EmptyModule

__all__ = ["actors"]  # whose actors Dramatiq serves


class Noop:
    """Answers with the process that ran it."""

    def plan(self, request: EmbedRequest) -> Plan:
        return Plan("AutoModel", parameter_class=None)

    def prepare(self, model: LoadedModel, requests: Sequence[EmbedRequest]) -> list[list[Item]]:
        return [[Item(text, length=1) for text in request.texts] for request in requests]

    def compute(self, model: LoadedModel, rows: Sequence[Row], deliver: Deliver) -> None:
        for row in rows:
            deliver(row, Output(os.getpid()))

    def finish(self, request: EmbedRequest, outputs: Sequence[Output]) -> list[int]:
        return [output.value for output in outputs]


def load_nothing(
    key: ModelKey, stored: StoredModel, device: Device, dtype: str, progress: Progress, attention: str | None = None
) -> LoadedModel:
    """A model without weights."""
    return LoadedModel(key, stored, device, module=EmptyModule(), tokenizer=None, dtype=dtype, footprint=0)


TASKS["embed"] = (__name__, Noop.__name__)
loading.load_model = load_nothing
