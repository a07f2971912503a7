"""Texts to token lists, and token lists of different lengths to one rectangle."""

from collections.abc import Sequence
from itertools import chain, islice
from typing import Any, Literal

import torch

from actors.engine.loader import ModelInput
from actors.engine.work import Item, Row


def tokenise(model: ModelInput, texts: Sequence[Sequence[str]], limit: int | None) -> list[list[Item]]:
    """One item a text, special tokens included, cut at `limit` tokens; the texts of all requests in one call."""
    flat = list(chain.from_iterable(texts))
    encode = _encode_fast if getattr(model.tokenizer, "is_fast", False) else _encode
    items = iter(encode(model.tokenizer, flat, limit))
    return [list(islice(items, len(several))) for several in texts]


def _encode_fast(tokenizer: Any, texts: list[str], limit: int | None) -> list[Item]:
    """What the tokenizer's own call gives, without that call, which holds the GIL for 40 µs a text."""
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    if limit:
        backend.enable_truncation(limit, direction=tokenizer.truncation_side)
    else:
        backend.no_truncation()
    encodings = backend.encode_batch_fast(texts)
    return [Item(encoding.ids, len(encoding.ids), truncated=bool(encoding.overflowing)) for encoding in encodings]


def _encode(tokenizer: Any, texts: list[str], limit: int | None) -> list[Item]:
    encoded = tokenizer(texts, **({"truncation": True, "max_length": limit} if limit else {}))
    return [Item(ids, len(ids), truncated=limit is not None and len(ids) >= limit) for ids in encoded["input_ids"]]


def pad(rows: Sequence[Row], pad_id: int | None, side: Literal["left", "right"]) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask` of shape (rows, widest row), int64; masked tokens may be anything."""
    width = max(row.item.length for row in rows)
    ids, mask = [], []
    for row in rows:
        tokens, missing = row.item.content, width - row.item.length
        padding, zeros, ones = [pad_id or 0] * missing, [0] * missing, [1] * row.item.length
        ids.append(padding + tokens if side == "left" else tokens + padding)
        mask.append(zeros + ones if side == "left" else ones + zeros)
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
