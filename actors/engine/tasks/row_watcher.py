"""Watches every row of a generating batch: publishes its text, and ends it at its own end."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import StoppingCriteria

from actors.engine.loader import LoadedModel
from actors.engine.tasks.growing_text import GrowingText
from actors.engine.work import Deliver, Output, Row


class RowWatcher(StoppingCriteria):  # type: ignore[misc]  # untyped when transformers is not installed
    """Called by `generate` after each token with all ids so far, of shape (rows, prompt + new tokens)."""

    def __init__(self, model: LoadedModel, rows: Sequence[Row], prompt_width: int, deliver: Deliver) -> None:
        self._model, self._rows, self._prompt_width, self._deliver = model, rows, prompt_width, deliver
        ends = model.module.generation_config.eos_token_id
        self._end_ids = frozenset(ends if isinstance(ends, list) else [] if ends is None else [ends])
        self._texts = [GrowingText(model.tokenizer, row.job.request.stop) for row in rows]
        self._ended = [False] * len(rows)
        for row in rows:
            if row.job.stream:
                row.job.stream.begin()

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        generated = input_ids.shape[1] - self._prompt_width
        for index, token in enumerate(input_ids[:, -1].tolist()):
            if not self._ended[index]:
                self._ended[index] = self._advance(index, token, generated)
        return torch.tensor(self._ended, device=input_ids.device)

    def _advance(self, index: int, token: int, generated: int) -> bool:
        """Takes in a row's next token; True when that was its last."""
        row, text = self._rows[index], self._texts[index]
        if row.job.end_if_late():
            return True
        at_end = token in self._end_ids
        if not at_end:
            text.add(token)
        reason = "stop" if at_end or text.is_stopped else "length" if generated >= row.item.reserve else None
        if row.job.stream and (piece := text.take(final=reason is not None)):
            row.job.stream.write(piece)
        if reason is None:
            return False
        whole = text.complete()  # may find a stop string that was undecided until now
        self._deliver(row, Output((whole, "stop" if text.is_stopped else reason), tokens=generated))
        return True
