"""The model that every peer serves: MiniLM on the CPU, or its tokenizer before a simulated accelerator."""

import base64
import os
import sys
import threading
import time
from functools import cache
from typing import Any, Protocol

#: Where torch and transformers are, for an environment that has neither: behind its own packages.
LIBRARIES_VARIABLE = "BENCHMARK_LIBRARIES"

if (libraries := os.environ.get(LIBRARIES_VARIABLE)) and libraries not in sys.path:
    sys.path.append(libraries)

import numpy  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

#: One forward of the simulated accelerator: so long for the batch, and so long more for each of its texts.
BATCH_SECONDS, ITEM_SECONDS = 0.004, 0.0001

VECTOR_SIZE = 384

#: Which of the two is served, and where MiniLM's files are.
DEVICE_VARIABLE, FOLDER_VARIABLE = "BENCHMARK_DEVICE", "BENCHMARK_MODEL"


class Model(Protocol):
    """Tokenises in the caller's thread and computes one batch at a time."""

    def tokenise(self, texts: list[str]) -> list[list[int]]:
        """Token ids, special tokens included."""

    def forward(self, tokens: list[list[int]]) -> list[str]:
        """A vector for each text, base64 of little-endian float32."""


class SimulatedModel:
    """Keeps a device busy, and no core."""

    def __init__(self, folder: str) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._device = threading.Lock()
        self._vector = numpy.linspace(-1, 1, VECTOR_SIZE, dtype="<f4")

    def tokenise(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self._tokenizer(texts)["input_ids"]
        return ids

    def forward(self, tokens: list[list[int]]) -> list[str]:
        with self._device:
            time.sleep(BATCH_SECONDS + ITEM_SECONDS * len(tokens))
        return [encode(self._vector) for _ in tokens]


class MiniLm:
    """The real forward, in float32."""

    def __init__(self, folder: str) -> None:
        import torch
        from transformers import AutoModel

        self._torch = torch
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._module = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()

    def tokenise(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self._tokenizer(texts)["input_ids"]
        return ids

    def forward(self, tokens: list[list[int]]) -> list[str]:
        with self._torch.inference_mode():
            batch = self._tokenizer.pad({"input_ids": tokens}, return_tensors="pt")
            hidden, mask = self._module(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
            vectors = self._torch.nn.functional.normalize((hidden * mask).sum(dim=1) / mask.sum(dim=1), dim=1)
        return [encode(vector) for vector in vectors.numpy()]


def encode(vector: Any) -> str:
    """Base64 of little-endian float32: the same payload from everyone."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def embed(texts: list[str]) -> list[str]:
    """One batch, from texts to vectors."""
    model = served_model()
    return model.forward(model.tokenise(texts))


_loading = threading.Lock()


def served_model() -> Model:
    """This process's model, loaded by its first task: after a fork, and once for all threads."""
    with _loading:
        return _load()


@cache
def _load() -> Model:
    folder = os.environ[FOLDER_VARIABLE]
    return SimulatedModel(folder) if os.environ[DEVICE_VARIABLE] == "simulated" else MiniLm(folder)
