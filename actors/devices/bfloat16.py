"""Whether this processor is faster in bfloat16, found by trying: what its flags promise does not tell."""

import time
from collections.abc import Callable

import torch

#: How many times as fast as float32 it must be. Weights and results are converted besides what is tried here.
WORTH_IT = 1.3

#: The shape of what is tried: a feed-forward step of a small encoder with 256 tokens.
TOKENS, HIDDEN, INNER = 256, 384, 1536

#: The fastest of so many attempts counts, because other processes slow some down.
ATTEMPTS = 7


def is_bfloat16_faster() -> bool:
    """Times the same step in both precisions, by turns; some milliseconds on a processor that has bfloat16."""
    steps = {dtype: _step(dtype) for dtype in (torch.float32, torch.bfloat16)}
    seconds = {dtype: _seconds(step) for dtype, step in steps.items()}  # kernels are chosen in the first
    for _ in range(ATTEMPTS):
        seconds = {dtype: min(_seconds(step), seconds[dtype]) for dtype, step in steps.items()}
    return seconds[torch.bfloat16] * WORTH_IT < seconds[torch.float32]


def _step(dtype: torch.dtype) -> Callable[[], torch.Tensor]:
    hidden, outward, inward = (
        torch.ones(shape, dtype=dtype) for shape in ((TOKENS, HIDDEN), (INNER, HIDDEN), (HIDDEN, INNER))
    )

    def step() -> torch.Tensor:
        with torch.inference_mode():
            inner = torch.nn.functional.gelu(torch.nn.functional.linear(hidden, outward))
            return torch.nn.functional.linear(inner, inward)

    return step


def _seconds(step: Callable[[], torch.Tensor]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started
