"""Texts to vectors, as sentence-transformers makes them of the same files."""

import base64
from collections.abc import Sequence
from typing import Any

import torch

from actors.engine.loader import LoadedModel, ModelInput
from actors.engine.tasks.sentence_files import SentenceFiles, read_sentence_files
from actors.engine.tasks.tokens import pad, tokenise
from actors.engine.work import Deliver, Item, Output, Plan, Row
from actors.payloads import EmbedRequest


class Embed:
    """Mean, first-token, maximum or last-token pooling over the last hidden states of an encoder."""

    def plan(self, request: EmbedRequest) -> Plan:
        return Plan("AutoModel", parameter_class=None)

    def prepare(self, model: ModelInput, requests: Sequence[EmbedRequest]) -> list[list[Item]]:
        files = read_sentence_files(model.folder, model.stored.revision)
        texts = [[files.prompt + text for text in request.texts] for request in requests]
        if files.lower_case:
            texts = [[text.lower() for text in several] for several in texts]
        return tokenise(model, texts, files.max_tokens or model.context_tokens)

    def compute(self, model: LoadedModel, rows: Sequence[Row], deliver: Deliver) -> None:
        batch = model.device.place_tensors(pad(rows, model.tokenizer.pad_token_id, "right"))
        with model.device.inference():
            hidden = model.module(**batch).last_hidden_state.to("cpu", torch.float32)
        files = read_sentence_files(model.folder, model.stored.revision)
        vectors = pool(hidden, batch["attention_mask"].to("cpu"), files)
        as_they_are, of_length_one = vectors.numpy(), torch.nn.functional.normalize(vectors, dim=1).numpy()
        for index, row in enumerate(rows):
            asked: bool | None = row.job.request.normalize
            normalizes = files.normalize if asked is None else asked
            deliver(row, Output((of_length_one if normalizes else as_they_are)[index]))

    def finish(self, request: EmbedRequest, outputs: Sequence[Output]) -> list[Any]:
        if request.encoding == "base64":
            return [base64.b64encode(output.value.astype("<f4").tobytes()).decode("ascii") for output in outputs]
        return [output.value.tolist() for output in outputs]


def pool(hidden: torch.Tensor, mask: torch.Tensor, files: SentenceFiles) -> torch.Tensor:
    """Token states (rows, tokens, size) to vectors (rows, size), padding left out."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    if files.pooling == "cls":
        return hidden[:, 0]
    if files.pooling == "max":
        return hidden.masked_fill(weights == 0, float("-inf")).max(dim=1).values
    if files.pooling == "lasttoken":
        return hidden[torch.arange(len(hidden)), mask.sum(dim=1) - 1]
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
