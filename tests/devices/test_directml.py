"""The DirectML backend that ships, on pretend adapters."""

import importlib.metadata
import inspect
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import transformers
from transformers import cache_utils

from actors.devices import directml
from actors.devices.backend import DeviceName
from actors.devices.directml import DirectMLDevice
from actors.devices.first_keys import adopt_first_keys
from actors.errors import DeviceUnavailable, ModelRefused
from settings.config import Settings

MEBIBYTE = 2**20

AUTO = Settings(_env_file=None)


@pytest.fixture
def device(adapters: ModuleType) -> DirectMLDevice:
    """The second adapter, without the child process that tries it first."""
    return directml._open_here(1)


@pytest.mark.parametrize("index", [0, 1])
def test_each_adapter_is_opened_once_it_has_passed_its_test(index: int, adapters: ModuleType) -> None:
    device = directml.open_device(index, AUTO)

    assert device.name == DeviceName("directml", index)
    assert device.label == "Fake Adapter"
    assert device.torch_device == torch.device("privateuseone", index)
    assert adapters.peak_bytes(1 - index) == 0


@pytest.mark.parametrize("index", [2, -1])
def test_an_adapter_that_is_not_there_is_told_with_their_number(index: int, adapters: ModuleType) -> None:
    with pytest.raises(DeviceUnavailable, match=rf"directml:{index} does not exist; this host has 2 DirectML adapter"):
        directml._open_here(index)


def test_what_fails_in_the_child_is_not_opened_here(adapters: ModuleType) -> None:
    with pytest.raises(DeviceUnavailable, match=r"^directml:2 cannot be used: directml:2 does not exist"):
        directml.open_device(2, AUTO)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise OSError('a DLL is missing')", "torch-directml cannot be loaded: a DLL is missing"),
        ("raise ImportError('another torch')", "torch-directml cannot be loaded: another torch"),
        ("def device_count(): raise RuntimeError('no driver')", "DirectML cannot list the adapters: no driver"),
        ("def device_count(): return 0", "DirectML finds no adapter"),
    ],
)
def test_a_package_that_does_not_work_is_a_reason(
    source: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch_directml.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch_directml", raising=False)

    with pytest.raises(DeviceUnavailable, match=f"^{reason}$"):
        directml.device_labels()

    sys.modules.pop("torch_directml", None)


def test_a_package_that_is_not_installed_is_a_reason() -> None:
    with pytest.raises(DeviceUnavailable, match=r"torch-directml is not installed: pip install"):
        directml.device_labels()


@pytest.mark.parametrize("missing", range(2))
def test_linux_without_wsl_is_told_what_is_missing_instead_of_crashing(
    missing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("torch_directml", "torch_directml_native"):
        (tmp_path / f"{module}.py").write_text("raise SystemError('loaded')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    files = [tmp_path, tmp_path]
    files[missing] = tmp_path / "missing"
    monkeypatch.setattr(directml, "WSL_FILES", files)

    with pytest.raises(DeviceUnavailable, match="DirectML on Linux needs WSL with a GPU"):
        directml.device_labels()


def test_another_torch_than_the_wheels_is_refused_before_it_crashes(
    adapters: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda package: ["torch==0.1.0", "numpy"])

    with pytest.raises(
        DeviceUnavailable, match=r"torch-directml needs torch 0\.1\.0, and .* is installed: pip install"
    ):
        directml.device_labels()


def test_bfloat16_is_refused_before_anything_is_loaded(adapters: ModuleType) -> None:
    with pytest.raises(DeviceUnavailable, match="DirectML has no bfloat16; set float32, float16 or auto"):
        directml.open_device(0, Settings(_env_file=None, model_dtype="bfloat16"))


def test_a_lost_adapter_fails_its_test(adapters: ModuleType) -> None:
    adapters.lose_device(1)

    with pytest.raises(DeviceUnavailable, match=r"directml:1 \(Fake Adapter\) failed its start-up test: .*suspended"):
        directml._open_here(1)


def test_an_adapter_that_is_lost_later_fails_its_next_test(device: DirectMLDevice, adapters: ModuleType) -> None:
    device.self_test()

    adapters.lose_device(1)

    with pytest.raises(DeviceUnavailable, match="failed its start-up test"):
        device.self_test()


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: torch.nn.Linear(2, 2, dtype=torch.bfloat16), r"^parameter weight is torch\.bfloat16"),
        (lambda: torch.nn.Linear(2, 2, dtype=torch.float64), r"^parameter weight is torch\.float64"),
        (lambda: torch.nn.Linear(2, 2, dtype=torch.complex64), r"^parameter weight is torch\.complex64"),
        (lambda: torch.nn.Linear(2, 2, device="meta"), "^parameter weight has no values"),
    ],
)
def test_a_module_that_directml_would_abort_on_is_refused_before_it_is_moved(
    make: Callable[[], torch.nn.Module], complaint: str, device: DirectMLDevice, adapters: ModuleType
) -> None:
    module, before = torch.nn.Sequential(torch.nn.Linear(2, 2), make()), adapters.allocated_bytes(1)

    with pytest.raises(ModelRefused, match=complaint.replace("weight", r"1\.weight")):
        device.place_module(module)

    assert next(module.parameters()).device.type == "cpu"
    assert adapters.allocated_bytes(1) == before


def test_buffers_are_looked_at_too(device: DirectMLDevice) -> None:
    module = torch.nn.Linear(2, 2)
    module.register_buffer("angles", torch.zeros(2, dtype=torch.complex64))

    with pytest.raises(ModelRefused, match=r"buffer angles is torch\.complex64, which DirectML cannot hold"):
        device.place_module(module)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_module_that_directml_holds_is_moved(dtype: torch.dtype, device: DirectMLDevice) -> None:
    module = device.place_module(torch.nn.Linear(2, 2, dtype=dtype))

    assert {parameter.device for parameter in module.parameters()} == {torch.device("privateuseone", 1)}


def test_inputs_of_double_precision_become_single(device: DirectMLDevice) -> None:
    placed = device.place_tensors({"samples": torch.ones(2, dtype=torch.float64), "ids": torch.tensor([1])})

    assert placed["samples"].dtype == torch.float32
    assert placed["ids"].dtype == torch.int64
    assert {tensor.device.index for tensor in placed.values()} == {1}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.complex64, torch.complex128])
def test_an_input_that_directml_cannot_hold_is_refused_by_its_name(dtype: torch.dtype, device: DirectMLDevice) -> None:
    with pytest.raises(ModelRefused, match=f"input samples is {dtype}"):
        device.place_tensors({"samples": torch.ones(2, dtype=dtype)})


def test_memory_counts_what_this_process_allocated_on_this_adapter(
    device: DirectMLDevice, adapters: ModuleType
) -> None:
    before = device.memory().allocated
    assert before is not None

    kept = device.place_tensors({"kept": torch.zeros(3 * MEBIBYTE, dtype=torch.uint8)})
    elsewhere = torch.zeros(5 * MEBIBYTE, dtype=torch.uint8, device="privateuseone:0")

    assert device.memory().allocated == before + 3 * MEBIBYTE
    assert (device.memory().total, device.memory().used) == (None, None)
    del kept, elsewhere


def test_other_threads_get_what_the_device_thread_read_after_its_last_batch(
    device: DirectMLDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = sys.modules["torch_directml"]
    asked_in, tell = list[int](), own.gpu_memory

    def told(*arguments: Any, **options: Any) -> list[float]:
        asked_in.append(threading.get_ident())
        shares: list[float] = tell(*arguments, **options)
        return shares

    monkeypatch.setattr(own, "gpu_memory", told)
    with ThreadPoolExecutor(1) as others:
        before = device.memory().allocated
        kept = device.place_tensors({"kept": torch.zeros(3 * MEBIBYTE, dtype=torch.uint8)})
        assert others.submit(device.memory).result().allocated == before

        device.after_batch()

        assert others.submit(device.memory).result().allocated == device.memory().allocated == before + 3 * MEBIBYTE
    assert set(asked_in) == {threading.get_ident()}
    del kept


def test_a_lost_adapter_tells_no_memory(device: DirectMLDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> list[float]:
        raise RuntimeError("The GPU device instance has been suspended.")

    monkeypatch.setattr(sys.modules["torch_directml"], "gpu_memory", refuse)

    assert device.memory().allocated is None


def _greedy(model: Any, prompt: torch.Tensor) -> list[int]:
    with torch.no_grad():
        ids: list[int] = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=12,
            min_new_tokens=12,
            do_sample=False,
            pad_token_id=0,
        ).tolist()
    return ids


def _small_gpt2() -> Any:
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=2, attn_implementation="eager"
        )
    )


def _small_mistral() -> Any:
    return transformers.MistralForCausalLM(
        transformers.MistralConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            sliding_window=4,
            attn_implementation="eager",
        )
    )


@pytest.fixture(params=[_small_gpt2, _small_mistral], ids=["all keys", "a window of keys"])
def decoder(request: pytest.FixtureRequest) -> Any:
    """A decoder of random weights, in a process whose caches are as transformers has them."""
    torch.manual_seed(0)
    return request.param().eval()


@pytest.fixture
def _caches_of_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    for layer in (cache_utils.DynamicLayer, cache_utils.DynamicSlidingWindowLayer):
        monkeypatch.setattr(layer, "update", inspect.unwrap(layer.update))


PROMPTS = [torch.tensor([[5, 6, 7], [8, 9, 10]]), torch.arange(5, 21).reshape(2, 8)]


@pytest.mark.usefixtures("_caches_of_transformers")
@pytest.mark.parametrize("prompt", PROMPTS, ids=["within the window", "beyond the window"])
@pytest.mark.parametrize("times", [1, 2])
def test_adopting_the_first_keys_leaves_the_text_unchanged(times: int, prompt: torch.Tensor, decoder: Any) -> None:
    expected = _greedy(decoder, prompt)

    for _ in range(times):
        adopt_first_keys()

    assert _greedy(decoder, prompt) == expected


@pytest.mark.parametrize("prompt", PROMPTS, ids=["within the window", "beyond the window"])
def test_adopted_keys_were_never_joined_to_an_empty_tensor(
    device: DirectMLDevice, prompt: torch.Tensor, decoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, join = _greedy(decoder, prompt), torch.cat

    def join_as_directml_does(tensors: Any, *arguments: Any, **options: Any) -> torch.Tensor:
        if any(tensor.numel() == 0 for tensor in tensors):
            raise RuntimeError("The parameter is incorrect.")
        return join(tensors, *arguments, **options)

    monkeypatch.setattr(torch, "cat", join_as_directml_does)
    placed = device.place_tensors({"prompt": prompt})

    assert _greedy(device.place_module(decoder), placed["prompt"]) == expected


@pytest.mark.usefixtures("_caches_of_transformers")
def test_a_window_of_adopted_keys_grows_like_any_other() -> None:
    keys, values, rest = torch.rand(1, 1, 6, 2), torch.rand(1, 1, 6, 2), torch.rand(1, 1, 1, 2)
    theirs, ours = (cache_utils.DynamicSlidingWindowLayer(sliding_window=4) for _ in range(2))
    theirs.update(keys, values)
    joined = theirs.update(rest, rest)

    adopt_first_keys()
    ours.update(keys, values)

    assert all(map(torch.equal, ours.update(rest, rest), joined))
    assert ours.get_mask_sizes(1) == theirs.get_mask_sizes(1)
