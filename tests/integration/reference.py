"""What the libraries themselves compute from the same files, in this process."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy

from actors.demo.models import SHIPPED_MODELS, _embedding_weights


def sentence_vectors(texts: list[str]) -> numpy.ndarray:
    """The vectors of sentence-transformers, one text at a time."""
    encoder = _sentence_encoder()
    return numpy.array([encoder.encode(text, show_progress_bar=False) for text in texts])


@cache
def _sentence_encoder() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(_embedding_weights()), device="cpu", local_files_only=True)


def greedy_ids(model: str, prompt: str, max_new_tokens: int, **options: Any) -> list[int]:
    """The ids that transformers' own `generate` adds to a prompt, alone in its batch."""
    import torch

    language_model, tokenizer = _language_model(SHIPPED_MODELS / model)
    inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
    options = {"repetition_penalty": 1.0, **options}
    with torch.inference_mode():
        ids = language_model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False, **options)
    return ids[0, inputs["input_ids"].shape[1] :].tolist()


def greedy_text(model: str, prompt: str, max_new_tokens: int, **options: Any) -> str:
    """The text of `greedy_ids`."""
    _, tokenizer = _language_model(SHIPPED_MODELS / model)
    return str(tokenizer.decode(greedy_ids(model, prompt, max_new_tokens, **options), skip_special_tokens=True))


@cache
def _language_model(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    return model, AutoTokenizer.from_pretrained(folder, local_files_only=True)
