"""A device that only sleeps, for `dramatiq benchmarks.simulated`: all the rest is the service's own.

A load takes SIMULATED_LOAD seconds, a batch SIMULATED_BATCH, and SIMULATED_ITEM for each of its rows. How many models a
device holds is in their names: `holds-2/a` and `holds-2/b` fit together, and a third one does not. Each load is a line
of SIMULATED_LOADS_FILE. With SIMULATED_ORDER=sent the engine keeps to the order of sending: neighbours that need the
same model share a batch, and nothing is put off because its model is not loaded.
"""

import os
import time
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path

import actors
from actors.devices.backend import Device
from actors.engine import engine, loading
from actors.engine.batcher import WaitingRows
from actors.engine.loader import LoadedModel
from actors.engine.task import TASKS
from actors.engine.work import Deliver, Item, Job, ModelKey, Output, Plan, Row
from actors.model_store.progress import Progress
from actors.model_store.stored_model import StoredModel
from actors.payloads import EmbedRequest
from benchmarks.empty_module import EmptyModule
from settings.config import current_settings

__all__ = ["actors"]  # whose actors Dramatiq serves

LOAD_SECONDS = float(os.environ.get("SIMULATED_LOAD", "2"))
BATCH_SECONDS = float(os.environ.get("SIMULATED_BATCH", "0.02"))
ITEM_SECONDS = float(os.environ.get("SIMULATED_ITEM", "0.001"))
LOADS_FILE = Path(os.environ.get("SIMULATED_LOADS_FILE", os.devnull))


class SimulatedEmbed:
    """`embed` without tokens or vectors; its text is the task's place in the order of sending."""

    def plan(self, request: EmbedRequest) -> Plan:
        return Plan("AutoModel", parameter_class=None)

    def prepare(self, model: LoadedModel, requests: Sequence[EmbedRequest]) -> list[list[Item]]:
        return [[Item(text, length=1) for text in request.texts] for request in requests]

    def compute(self, model: LoadedModel, rows: Sequence[Row], deliver: Deliver) -> None:
        time.sleep(BATCH_SECONDS + len(rows) * ITEM_SECONDS)
        for row in rows:
            deliver(row, Output(row.item.content))

    def finish(self, request: EmbedRequest, outputs: Sequence[Output]) -> list[str]:
        return [output.value for output in outputs]


def load_slowly(
    key: ModelKey, stored: StoredModel, device: Device, dtype: str, progress: Progress, attention: str | None = None
) -> LoadedModel:
    """Takes the time of a load, and of the device's memory what the model's name says."""
    time.sleep(LOAD_SECONDS)
    with LOADS_FILE.open("a", encoding="utf-8") as loads:
        loads.write(f"{key.name}\n")
    budget = int((device.memory().total or 0) * current_settings().gpu_memory_fraction)
    held = int(key.name.partition("/")[0].rpartition("-")[2])
    return LoadedModel(key, stored, device, module=EmptyModule(), tokenizer=None, dtype=dtype, footprint=budget // held)


class InOrderOfSending(WaitingRows):
    """The engine's waiting jobs without a preference for what is loaded."""

    def next_group(self, is_loaded: Callable[[ModelKey], bool], now: float) -> list[Job]:
        waiting = sorted((job for jobs in self._groups.values() for job in jobs), key=_place)
        return list(takewhile(lambda job: job.group == waiting[0].group, waiting))


def _place(job: Job) -> int:
    return int(job.request.texts[0])


TASKS["embed"] = (__name__, SimulatedEmbed.__name__)
loading.load_model = load_slowly
if os.environ.get("SIMULATED_ORDER") == "sent":
    engine.WaitingRows = InOrderOfSending  # type: ignore[misc]
