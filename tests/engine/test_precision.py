"""Which precision a model is loaded in, and how near bfloat16 comes to float32."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from actors.demo.models import CLASSIFIER, EMBEDDING_MODEL, LANGUAGE_MODEL
from actors.devices.backend import DeviceName
from actors.devices.cpu import CpuDevice
from actors.devices.directml import DirectMLDevice
from actors.devices.torch_device import TorchDevice
from actors.engine.engine import Engine
from actors.engine.loader import LoadedModel, choose_dtype
from actors.errors import ModelBroken, ModelRefused
from actors.model_store.stored_model import StoredModel
from actors.payloads import parse_request
from settings.config import Settings

TEXTS = ["A sentence.", "word " * 40, "Another sentence of a middling length, with commas.", "ünïcödé 文字"]


def _checkpoint(dtype: str | None) -> StoredModel:
    return StoredModel("org/name", "main", Path(), config={"dtype": dtype}, parameter_count=0, weights_bytes=0)


def _processor(reading_dtype: str | None) -> CpuDevice:
    device = CpuDevice(DeviceName("cpu", 0), "a processor", torch.device("cpu"))
    device.reading_dtype = reading_dtype
    return device


@pytest.mark.parametrize("architecture", ["AutoModel", "AutoModelForSequenceClassification"])
@pytest.mark.parametrize(
    ("checkpoint", "expected"),
    [("float32", "bfloat16"), ("bfloat16", "bfloat16"), (None, "bfloat16"), ("float16", "float32")],
)
def test_models_that_read_take_bfloat16_where_it_is_faster(
    architecture: str, checkpoint: str | None, expected: str
) -> None:
    assert choose_dtype("auto", architecture, _checkpoint(checkpoint), _processor("bfloat16")) == expected


@pytest.mark.parametrize("architecture", ["AutoModelForCausalLM", "pipeline:text-classification"])
def test_generators_and_pipelines_stay_in_float32_on_a_processor(architecture: str) -> None:
    assert choose_dtype("auto", architecture, _checkpoint("float32"), _processor("bfloat16")) == "float32"


def test_a_processor_that_is_no_faster_in_bfloat16_stays_in_float32() -> None:
    assert choose_dtype("auto", "AutoModel", _checkpoint("bfloat16"), _processor(None)) == "float32"


def test_float32_can_be_asked_for() -> None:
    assert choose_dtype("float32", "AutoModel", _checkpoint("bfloat16"), _processor("bfloat16")) == "float32"


@pytest.mark.parametrize(("kind", "expected"), [(TorchDevice, "bfloat16"), (DirectMLDevice, "float32")])
def test_other_devices_decide_by_the_checkpoint_or_by_what_they_can(kind: type[TorchDevice], expected: str) -> None:
    device = kind(DeviceName("cpu", 0), "a device", torch.device("cpu"))

    assert choose_dtype("auto", "AutoModel", _checkpoint("bfloat16"), device) == expected


def test_a_precision_that_the_device_does_not_compute_in_is_refused_with_what_to_set() -> None:
    device = DirectMLDevice(DeviceName("directml", 0), "a device", torch.device("cpu"))

    with pytest.raises(ModelRefused) as refusal:
        choose_dtype("bfloat16", "AutoModel", _checkpoint("bfloat16"), device)

    assert str(refusal.value) == (
        "org/name is to be loaded in bfloat16, and directml:0 computes in float16, float32:"
        " set MODEL_DTYPES=org/name=auto there, or MODEL_DTYPE"
    )


def _outputs(folder: Path, dtype: str, task: str, **request: Any) -> Any:
    settings = Settings(_env_file=None, model_manager_path=folder, model_dtype=dtype)
    engine = Engine(DeviceName("cpu", 0), settings)
    engine.start()
    try:
        job = engine.plan(task, parse_request(task, request), timeout_seconds=60)
        engine.submit([job])
        assert job.future.result().dtype == dtype
        return engine.finish(job)
    finally:
        engine.stop()


def test_vectors_in_bfloat16_point_where_those_in_float32_point(model_folder: Path) -> None:
    exact, rounded = (
        numpy.array(_outputs(model_folder, dtype, "embed", model=EMBEDDING_MODEL, texts=TEXTS))
        for dtype in ("float32", "bfloat16")
    )

    cosines = (exact * rounded).sum(axis=1)
    assert cosines.min() > 0.999
    assert numpy.linalg.norm(rounded, axis=1) == pytest.approx(1, abs=1e-5)


def test_labels_in_bfloat16_are_those_in_float32_and_their_scores_are_near(model_folder: Path) -> None:
    exact, rounded = (
        _outputs(model_folder, dtype, "classify", model=CLASSIFIER, texts=TEXTS) for dtype in ("float32", "bfloat16")
    )

    for right, near in zip(exact, rounded, strict=True):
        assert near[0]["label"] == right[0]["label"]
        assert near[0]["score"] == pytest.approx(right[0]["score"], abs=0.02)


def _loaded(folder: Path, **settings: Any) -> LoadedModel:
    engine = Engine(DeviceName("cpu", 0), Settings(_env_file=None, model_manager_path=folder, **settings))
    engine.start()
    try:
        engine.load(CLASSIFIER, "classify", 60).future.result()
        return engine.status().models[0]
    finally:
        engine.stop()


def test_a_model_is_loaded_in_the_precision_and_with_the_attention_of_its_own(model_folder: Path) -> None:
    own = {"model_dtypes": f"{CLASSIFIER}=bfloat16", "model_attention": f"{CLASSIFIER}=eager"}

    model = _loaded(model_folder, model_dtype="float32", **own)

    assert model.dtype == "bfloat16"
    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.bfloat16}
    assert model.module.config._attn_implementation == "eager"


def test_what_is_said_of_another_model_leaves_this_one_alone(model_folder: Path) -> None:
    others = {"model_dtypes": f"{LANGUAGE_MODEL}=bfloat16", "model_attention": f"{LANGUAGE_MODEL}=eager"}

    model = _loaded(model_folder, model_dtype="float32", **others)

    assert model.dtype == "float32"
    assert model.module.config._attn_implementation == "sdpa"


def test_an_attention_that_this_host_does_not_have_is_named_in_the_failure(model_folder: Path) -> None:
    with pytest.raises(ModelBroken, match=f"with MODEL_ATTENTION={CLASSIFIER}=flash_attention_2: "):
        _loaded(model_folder, model_attention=f"{CLASSIFIER}=flash_attention_2")
