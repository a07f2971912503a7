"""Texts to token lists, and token lists of different lengths to one rectangle."""

from collections.abc import Sequence
from typing import Literal

import torch

from actors.engine.loader import ModelInput
from actors.engine.work import Item, Row


def tokenise(model: ModelInput, texts: Sequence[str], limit: int | None) -> list[Item]:
    """One item a text, special tokens included, cut at `limit` tokens."""
    cut = {"truncation": True, "max_length": limit} if limit else {}
    encoded = model.tokenizer(list(texts), **cut)
    ends = [bool(encoding.overflowing) for encoding in encoded.encodings or ()]
    was_cut = ends or [limit is not None and len(ids) >= limit for ids in encoded["input_ids"]]
    return [
        Item(ids, len(ids), truncated=truncated) for ids, truncated in zip(encoded["input_ids"], was_cut, strict=True)
    ]


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
