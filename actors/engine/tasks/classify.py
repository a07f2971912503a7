"""Texts to labels with probabilities."""

from collections.abc import Sequence
from typing import Any

import torch

from actors.engine.loader import LoadedModel, ModelInput
from actors.engine.tasks.tokens import pad, tokenise
from actors.engine.work import Deliver, Item, Output, Plan, Row
from actors.payloads import ClassifyRequest


class Classify:
    """A sequence classifier: softmax over labels, or a sigmoid each for multi-label models and single outputs."""

    def plan(self, request: ClassifyRequest) -> Plan:
        return Plan("AutoModelForSequenceClassification", parameter_class=None)

    def prepare(self, model: ModelInput, requests: Sequence[ClassifyRequest]) -> list[list[Item]]:
        return tokenise(model, [request.texts for request in requests], model.context_tokens)

    def compute(self, model: LoadedModel, rows: Sequence[Row], deliver: Deliver) -> None:
        batch = model.device.place_tensors(pad(rows, model.tokenizer.pad_token_id, "right"))
        with model.device.inference():
            logits = model.module(**batch).logits.to("cpu", torch.float32)
        config = model.module.config
        several = config.problem_type == "multi_label_classification" or config.num_labels == 1
        probabilities = torch.sigmoid(logits) if several else torch.softmax(logits, dim=-1)
        for row, values in zip(rows, probabilities.tolist(), strict=True):
            labelled = [{"label": config.id2label[index], "score": value} for index, value in enumerate(values)]
            deliver(row, Output(sorted(labelled, key=lambda entry: -entry["score"])))

    def finish(self, request: ClassifyRequest, outputs: Sequence[Output]) -> list[Any]:
        return [output.value[: request.top_k] for output in outputs]
