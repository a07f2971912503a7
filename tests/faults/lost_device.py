"""Imported by a worker, `dramatiq actors tests.faults.lost_device`: its first batch finds the device gone."""

from typing import Any

from actors.engine.tasks.classify import Classify


def _lose_the_device(task: Classify, *batch: Any) -> None:
    raise RuntimeError("CUDA error: unspecified launch failure\nCompile with `TORCH_USE_CUDA_DSA`")


Classify.compute = _lose_the_device
