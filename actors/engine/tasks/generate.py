"""A prompt or a conversation to text, each row ending when it is done and not when its batch is."""

from collections.abc import Sequence
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import GenerationConfig, StoppingCriteriaList

from actors.engine.loader import LoadedModel, ModelInput
from actors.engine.tasks.row_watcher import RowWatcher
from actors.engine.tasks.tokens import pad
from actors.engine.work import Deliver, Item, Output, Plan, Row
from actors.errors import InvalidRequest
from actors.payloads import GenerateRequest


class Generate:
    """Greedy search or sampling with a decoder, through transformers' own `generate`."""

    def plan(self, request: GenerateRequest) -> Plan:
        sampling: tuple[Any, ...] = ("greedy", request.repetition_penalty)
        if request.temperature > 0:
            sampling = (request.temperature, request.top_p, request.top_k, request.repetition_penalty)
        if request.seed is not None:
            # A neighbour in the batch would take random numbers out of the seeded sequence.
            sampling = (*sampling, request.seed, object())
        return Plan("AutoModelForCausalLM", parameter_class=sampling)

    def prepare(self, model: ModelInput, requests: Sequence[GenerateRequest]) -> list[list[Item]]:
        return [[_item(model, request)] for request in requests]

    def compute(self, model: LoadedModel, rows: Sequence[Row], deliver: Deliver) -> None:
        request = rows[0].job.request
        if request.seed is not None:
            torch.manual_seed(request.seed)
        padded = pad(rows, model.tokenizer.pad_token_id, "left")
        batch = model.device.place_tensors(padded)
        watcher = RowWatcher(model, rows, padded["input_ids"].shape[1], deliver)
        with model.device.inference():
            model.module.generate(
                **batch,
                generation_config=_generation_config(model, request, max(row.item.reserve for row in rows)),
                stopping_criteria=StoppingCriteriaList([watcher]),
            )

    def finish(self, request: GenerateRequest, outputs: Sequence[Output]) -> dict[str, Any]:
        text, reason = outputs[0].value
        return {"text": text, "finish_reason": reason}


def _item(model: ModelInput, request: GenerateRequest) -> Item:
    tokens, context = _prompt_tokens(model, request), model.context_tokens
    if context is not None and len(tokens) + request.max_new_tokens > context:
        raise InvalidRequest(
            f"the prompt has {len(tokens):,} tokens and max_new_tokens is {request.max_new_tokens:,}; "
            f"{model.key.name} has a context of {context:,} for both"
        )
    return Item(tokens, len(tokens), reserve=request.max_new_tokens, limit=context)


def _prompt_tokens(model: ModelInput, request: GenerateRequest) -> list[int]:
    if request.prompt is not None:
        tokens = model.tokenizer(request.prompt)["input_ids"]
    else:
        turns = [message.model_dump() for message in request.messages or ()]
        try:
            text = model.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except (ValueError, TemplateError) as error:
            raise InvalidRequest(f"{model.key.name} cannot take these messages: {error}") from None
        tokens = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    if not tokens:
        raise InvalidRequest("the prompt has no tokens")
    return list(tokens)


def _generation_config(model: LoadedModel, request: GenerateRequest, max_new_tokens: int) -> GenerationConfig:
    """The model's own special tokens with this request's sampling; nothing else of the model's defaults."""
    own = model.module.generation_config
    pad_id = model.tokenizer.pad_token_id
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=request.temperature > 0,
        repetition_penalty=request.repetition_penalty,
        bos_token_id=own.bos_token_id,
        eos_token_id=own.eos_token_id,
        pad_token_id=pad_id if pad_id is not None else 0,
    )
    if request.temperature > 0:
        config.update(temperature=request.temperature, top_p=request.top_p, top_k=request.top_k)
    return config
