"""The pretend adapters hold memory, run out of it, keep apart and get lost as DirectML's do."""

import gc
import importlib
import importlib.metadata
import importlib.util
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

KILOBYTE = 1024

#: How many elements a float32 tensor of that size has.
KILOBYTE_OF_FLOATS = 256


@pytest.fixture
def torch_directml(directml_site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The stand-in, forgotten after the test: others may check that there is no torch_directml."""
    monkeypatch.syspath_prepend(directml_site)
    yield importlib.import_module("torch_directml")
    del sys.modules["torch_directml"]


@pytest.fixture
def adapters(torch_directml: ModuleType) -> ModuleType:
    """Two empty adapters, whatever the test before did to them."""
    # An error that a test expected still holds its tensors, and pytest holds the values of fixtures beyond their end.
    gc.collect()
    for index in range(torch_directml.device_count()):
        torch_directml.fake_adapters.restore(index)
    return torch_directml.fake_adapters


def test_there_are_two_adapters_of_the_same_name(torch_directml: ModuleType) -> None:
    assert torch_directml.is_available()
    assert torch_directml.device_count() == 2
    assert [torch_directml.device_name(index) for index in range(3)] == ["Fake Adapter", "Fake Adapter", ""]


def test_the_first_adapter_is_the_default_one(torch_directml: ModuleType) -> None:
    assert torch_directml.device() == torch_directml.device(0) == torch.device("privateuseone", 0)


def test_an_index_out_of_range_is_refused_in_the_words_of_torch_directml(torch_directml: ModuleType) -> None:
    with pytest.raises(Exception, match=r"^Invalid device_id argument supplied 2\. .* must be in range \[0, 2\)\.$"):
        torch_directml.device(2)


def test_torch_finds_as_little_in_the_device_module_as_with_the_real_one(torch_directml: ModuleType) -> None:
    device_module = torch.get_device_module("privateuseone")

    assert device_module.device_count() == 2
    for missing in ("current_device", "empty_cache", "synchronize", "get_rng_state"):
        assert not hasattr(device_module, missing)


def test_nothing_looks_like_the_wheel_of_torch_directml(torch_directml: ModuleType) -> None:
    assert importlib.util.find_spec("torch_directml_native") is None
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("torch-directml")


def test_a_tensor_lies_on_its_own_adapter_and_its_bytes_count_there_only(adapters: ModuleType) -> None:
    tensor = torch.ones(KILOBYTE_OF_FLOATS, device="privateuseone:1")

    assert tensor.device == torch.device("privateuseone", 1)
    assert [adapters.allocated_bytes(0), adapters.allocated_bytes(1)] == [0, KILOBYTE]


def test_freed_bytes_return_and_the_peak_remains(adapters: ModuleType) -> None:
    tensor = torch.ones(KILOBYTE_OF_FLOATS, device="privateuseone:0")

    del tensor

    assert adapters.allocated_bytes(0) == 0
    assert adapters.peak_bytes(0) >= KILOBYTE


def test_gpu_memory_fills_the_tiles_of_the_heap_from_the_front(
    torch_directml: ModuleType, adapters: ModuleType
) -> None:
    kept = torch.empty(3 * 2**20, dtype=torch.uint8, device="privateuseone:0")
    freed = torch.empty(2**20, dtype=torch.uint8, device="privateuseone:0")

    del freed

    assert torch_directml.gpu_memory(0, 2) == [1.0, 0.5]
    assert torch_directml.gpu_memory(1, 2) == []
    assert kept.nbytes == adapters.allocated_bytes(0)


def test_an_adapter_refuses_what_exceeds_its_limit_in_the_words_of_directml(adapters: ModuleType) -> None:
    adapters.set_limit(0, 2 * KILOBYTE - 1)
    kept = torch.empty(KILOBYTE_OF_FLOATS, device="privateuseone:0")

    with pytest.raises(RuntimeError) as refusal:
        torch.empty(KILOBYTE_OF_FLOATS, device="privateuseone:0")

    expected = "Could not allocate tensor with 1024 bytes. There is not enough GPU video memory available!"
    assert str(refusal.value) == expected
    assert adapters.allocated_bytes(0) == kept.nbytes


def test_the_limit_of_one_adapter_is_not_the_limit_of_the_other(adapters: ModuleType) -> None:
    adapters.set_limit(0, 1)

    torch.empty(KILOBYTE_OF_FLOATS, device="privateuseone:1")


def test_a_tensor_is_copied_from_adapter_to_adapter_and_back(adapters: ModuleType) -> None:
    there = torch.arange(3).to("privateuseone:0").to("privateuseone:1")

    assert there.device.index == 1
    assert there.cpu().tolist() == [0, 1, 2]


@pytest.mark.parametrize("elsewhere", ["privateuseone:1", "cpu"])
def test_tensors_on_different_devices_do_not_mix(adapters: ModuleType, elsewhere: str) -> None:
    here, there = torch.ones(3, device="privateuseone:0"), torch.ones(3, device=elsewhere)

    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        here + there
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        torch.cat([here, there])


def test_a_cpu_scalar_meets_a_tensor_of_any_adapter(adapters: ModuleType) -> None:
    tensor = torch.ones(2, device="privateuseone:1") * torch.tensor(3.0)

    assert tensor.cpu().tolist() == [3.0, 3.0]


def test_numpy_cannot_read_an_adapter(adapters: ModuleType) -> None:
    with pytest.raises(TypeError, match="can't convert privateuseone:0 device type tensor to numpy"):
        torch.ones(1, device="privateuseone:0").numpy()


def test_random_numbers_are_those_of_the_cpu(adapters: ModuleType) -> None:
    torch.manual_seed(7)
    on_the_adapter = torch.randn(3, device="privateuseone:0").cpu()

    torch.manual_seed(7)

    assert torch.equal(on_the_adapter, torch.randn(3))


def test_a_lost_adapter_fails_whatever_it_is_asked_and_the_other_goes_on(adapters: ModuleType) -> None:
    lost, present = torch.ones(1, device="privateuseone:0"), torch.ones(1, device="privateuseone:1")

    adapters.lose_device(0)

    for ask in (lambda: lost + lost, lost.cpu, lost.item, lambda: torch.empty(0, device="privateuseone:0")):
        with pytest.raises(RuntimeError, match=r"device instance has been suspended\. Use GetDeviceRemovedReason"):
            ask()
    assert (present + present).item() == 2


def test_a_small_gpt2_writes_the_same_on_an_adapter_as_on_the_cpu(adapters: ModuleType) -> None:
    transformers = pytest.importorskip("transformers")
    model, prompt = _small_gpt2(transformers), torch.tensor([[5, 6, 7]])
    on_the_cpu = _continuation(model, prompt)

    on_the_adapter = _continuation(model.to("privateuseone:1"), prompt.to("privateuseone:1"))

    assert on_the_adapter.device.index == 1
    assert torch.equal(on_the_adapter.cpu(), on_the_cpu)
    assert adapters.peak_bytes(0) == 0


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_each_of_two_processes_holds_memory_on_its_own_adapter_only(adapters: ModuleType, start_method: str) -> None:
    processes: Any = multiprocessing.get_context(start_method)
    pipes = [processes.Pipe() for _ in range(2)]
    holders = [
        processes.Process(target=_hold_a_kilobyte, args=(index, theirs)) for index, (_, theirs) in enumerate(pipes)
    ]

    for holder in holders:
        holder.start()
    held_bytes = [ours.recv() for ours, _ in pipes]

    assert held_bytes == [[KILOBYTE, 0], [0, KILOBYTE]]
    assert [adapters.allocated_bytes(0), adapters.allocated_bytes(1)] == [0, 0]
    for holder, (ours, _) in zip(holders, pipes, strict=True):
        ours.send("done")
        holder.join()


def test_a_process_needs_only_the_site_on_its_path(directml_site: Path) -> None:
    assert _output_of("import torch_directml; print(torch_directml.device(1))", directml_site) == "privateuseone:1"


def test_the_environment_says_how_many_adapters_there_are(directml_site: Path) -> None:
    count = "import torch_directml as d; print(d.device_count(), d.is_available())"

    assert _output_of(count, directml_site, FAKE_ADAPTERS="5") == "5 True"
    assert _output_of(count, directml_site, FAKE_ADAPTERS="0") == "0 False"


def test_the_environment_limits_each_adapter_and_makes_it_leak(directml_site: Path) -> None:
    allocate_and_free = """if True:
        import torch, torch_directml
        adapters = torch_directml.fake_adapters
        torch.empty(1024, dtype=torch.uint8, device="privateuseone:1")
        print(adapters.allocated_bytes(1), adapters.limit_bytes(1))
    """

    assert _output_of(allocate_and_free, directml_site, FAKE_ADAPTER_BYTES="4096") == "0 4096"
    assert _output_of(allocate_and_free, directml_site, FAKE_ADAPTER_LEAKS="1") == "1024 0"


def test_operators_without_a_kernel_warn_in_the_words_of_directml(directml_site: Path) -> None:
    compute = """if True:
        import warnings
        import torch, torch_directml
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_: print(message)
        tensor = torch.ones(2, device="privateuseone:0")
        for operator in (torch.relu, torch.erf, torch.cos, torch.erf):
            operator(tensor)
        torch.set_warn_always(True)
        for operator in (torch.relu, torch.erf, torch.cos):
            operator(tensor)
    """

    printed = _output_of(compute, directml_site, FAKE_ADAPTER_LACKS="aten::cos.out,aten::erf.out").splitlines()

    assert [line.split("'")[1] for line in printed] == ["aten::erf.out", "aten::erf.out", "aten::cos.out"]
    assert printed[0].startswith(
        "The operator 'aten::erf.out' is not currently supported on the DML backend"
        " and will fall back to run on the CPU. This may have performance implications."
    )


def _small_gpt2(transformers: ModuleType) -> Any:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=2, attn_implementation="eager"
    )
    return transformers.GPT2LMHeadModel(config).eval()


def _continuation(model: Any, prompt: Any) -> Any:
    with torch.no_grad():
        return model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=8,
            min_new_tokens=8,
            do_sample=False,
            pad_token_id=0,
        )


def _hold_a_kilobyte(index: int, connection: Connection) -> None:
    torch_directml = importlib.import_module("torch_directml")
    tensor = torch.ones(KILOBYTE_OF_FLOATS, device=torch_directml.device(index))
    assert tensor.device.index == index
    connection.send([torch_directml.fake_adapters.allocated_bytes(each) for each in range(2)])
    connection.recv()


def _output_of(script: str, directml_site: Path, **environment: str) -> str:
    completed = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(directml_site), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return completed.stdout.strip()
