"""The engine where memory really ends: on the stand-in of a DirectML adapter with a byte limit."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from actors.demo.models import CLASSIFIER, LANGUAGE_MODEL

REPOSITORY = Path(__file__).parents[2]


def _run(site: Path, model_folder: Path, state_dir: Path, limit_bytes: int, script: str, **environment: str) -> str:
    prelude = f"""
        import sys
        from pathlib import Path
        from actors.engine import loading
        from actors.devices.backend import DeviceName
        from actors.engine.engine import Engine
        from actors.payloads import parse_request
        from settings.config import Settings
        import torch_directml
        folder = Path({str(model_folder)!r})
        settings = Settings(_env_file=None, model_manager_path=folder, state_dir=Path("."), host_cache_gb=1)
        engine = Engine(DeviceName("directml", 0), settings)
        engine.start()
        def run(actor, **fields):
            job = engine.plan(actor, parse_request(actor, fields), 60)
            engine.submit([job])
            return job
        used = lambda: torch_directml.fake_adapters.allocated_bytes(0)
        classifier, writer = "cluster-manager/tiny-text-kind", "cluster-manager/tiny-docs-writer"
    """
    code = textwrap.dedent(prelude) + textwrap.dedent(script) + "\nengine.stop()\n"
    path = os.pathsep.join(map(str, (site, REPOSITORY)))  # another checkout may be the installed one
    environment |= {"PYTHONPATH": path, "FAKE_ADAPTER_BYTES": str(limit_bytes), "OMP_NUM_THREADS": "1"}
    environment["HOME"] = str(state_dir)
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_an_idle_model_is_evicted_when_another_does_not_fit_and_what_does_not_fit_alone_is_told(
    directml_site: Path, model_folder: Path, tmp_path: Path
) -> None:
    script = """
        run("classify", model=classifier, texts=["a text"]).future.result()
        print(run("generate", model=writer, prompt="The", max_new_tokens=2).future.result().batch_size)
        print([model.key.name for model in engine.status().models])
        torch_directml.fake_adapters.set_limit(0, 1_000_000)
        print(run("classify", model=classifier, texts=["a text"]).future.exception())
        print([model.key.name for model in engine.status().models], used())
        torch_directml.fake_adapters.set_limit(0, 6_000_000)
        print(run("classify", model=classifier, texts=["a text"]).future.result().batch_size)
    """

    printed = _run(directml_site, model_folder, tmp_path, 6_000_000, script).splitlines()

    assert printed[:2] == ["1", "['cluster-manager/tiny-docs-writer']"]
    assert "cluster-manager/tiny-text-kind@" in printed[2]
    assert "does not fit in directml:0's memory: Could not allocate tensor with" in printed[2]
    assert printed[3:] == ["[] 0", "1"]


def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_the_next_begins_at_the_learned_size(
    directml_site: Path, model_folder: Path, tmp_path: Path
) -> None:
    script = """
        run("classify", model=classifier, texts=["a text"]).future.result()
        torch_directml.fake_adapters.set_limit(0, used() + 2_500_000)
        from actors.engine.batch_cost import BatchCost
        from actors.engine.tasks.classify import Classify
        BatchCost.note = lambda *batch: None  # memory alone is to decide
        compute, begun = Classify.compute, []
        def recorded(task, model, rows, deliver):
            begun.append(len(rows))
            compute(task, model, rows, deliver)
        Classify.compute = recorded
        for _ in range(2):
            job = run("classify", model=classifier, texts=["some words " * 20] * 32)
            print(len(job.future.result().outputs), job.future.result().batch_size, begun[0], max(begun[-2:]))
            begun.clear()
    """

    printed = _run(directml_site, model_folder, tmp_path, 0, script).splitlines()

    rows, learned, first, fitting = map(int, printed[0].split())
    assert (rows, first, fitting) == (32, 32, learned)
    assert learned < 32
    assert list(map(int, printed[1].split()))[:3] == [32, learned, learned]


def test_a_text_that_does_not_fit_alone_is_an_out_of_memory_error(
    directml_site: Path, model_folder: Path, tmp_path: Path
) -> None:
    script = """
        run("classify", model=classifier, texts=["a text"]).future.result()
        torch_directml.fake_adapters.set_limit(0, used() + 1000)
        print(type(run("classify", model=classifier, texts=["words " * 200]).future.exception()).__name__)
        torch_directml.fake_adapters.set_limit(0, 0)
        print(run("classify", model=classifier, texts=["a text"]).future.result().batch_size)
    """

    assert _run(directml_site, model_folder, tmp_path, 0, script) == "DeviceOutOfMemory\n1\n"


def test_the_memory_is_free_when_the_engine_has_stopped(
    directml_site: Path, model_folder: Path, tmp_path: Path
) -> None:
    script = """
        run("classify", model=classifier, texts=["a text"]).future.result()
        print(used() > 1_000_000)
        engine.stop()
        print(used())
    """

    assert _run(directml_site, model_folder, tmp_path, 0, script) == "True\n0\n"


def test_an_unloaded_model_leaves_the_device_and_comes_back_as_it_was_without_reading_a_file(
    directml_site: Path, model_folder: Path, tmp_path: Path
) -> None:
    script = """
        def written():
            job = run("generate", model=writer, prompt="The", max_new_tokens=8, temperature=0)
            return job.future.result().outputs
        opened = []
        sys.addaudithook(lambda event, details: event == "open" and opened.append(str(details[0])))
        read = lambda: [path for path in opened if path.startswith(str(folder))]

        first = written()
        print(used() > 1_000_000, len(read()) > 1)
        for _ in range(2):
            engine.hold("unload", writer).result()
            opened.clear()
            loading.load_model = None  # safetensors opens files without Python
            print(used(), written() == first, read())
        (model,) = engine.status().models
        print(model.module.lm_head.weight is model.module.transformer.wte.weight)
    """

    printed = _run(directml_site, model_folder, tmp_path, 0, script)

    assert printed.splitlines() == ["True True", "0 True []", "0 True []", "True"]


def test_weights_that_are_one_on_the_cpu_are_one_on_the_device(
    directml_site: Path, model_folder: Path, tmp_path: Path
) -> None:
    script = """
        run("generate", model=writer, prompt="The", max_new_tokens=2).future.result()
        (model,) = engine.status().models
        print(model.module.lm_head.weight is model.module.transformer.wte.weight)
    """

    assert _run(directml_site, model_folder, tmp_path, 0, script) == "True\n"


def test_what_the_cpu_computes_for_the_adapter_is_counted_by_operator(
    directml_site: Path, model_folder: Path, tmp_path: Path
) -> None:
    script = """
        run("generate", model=writer, prompt="The", max_new_tokens=8, temperature=0).future.result()
        calls = engine._thread.device.cpu_fallbacks()
        print(sorted(calls))
        print(calls["aten::_softmax.out"] >= 8)
    """
    lacking = "aten::_softmax.out,aten::tanh.out,aten::erfinv.out"

    printed = _run(directml_site, model_folder, tmp_path, 0, script, FAKE_ADAPTER_LACKS=lacking)

    assert printed == "['aten::_softmax.out', 'aten::tanh.out']\nTrue\n"


def test_a_bfloat16_checkpoint_is_loaded_in_float32_or_in_what_is_said_of_it(
    directml_site: Path, own_models: Path, tmp_path: Path
) -> None:
    for name, architecture in (
        (LANGUAGE_MODEL, AutoModelForCausalLM),
        (CLASSIFIER, AutoModelForSequenceClassification),
    ):
        architecture.from_pretrained(own_models / name, dtype=torch.bfloat16).save_pretrained(own_models / name)
        assert json.loads((own_models / name / "config.json").read_text())["dtype"] == "bfloat16"
    script = """
        run("classify", model=classifier, texts=["a text"]).future.result()
        run("generate", model=writer, prompt="The", max_new_tokens=2).future.result()
        for model in engine.status().models:
            print(model.dtype, {str(weights.dtype) for weights in model.module.parameters()})
    """

    printed = _run(directml_site, own_models, tmp_path, 0, script, MODEL_DTYPES=f"{LANGUAGE_MODEL}=float16")

    assert printed.splitlines() == ["float32 {'torch.float32'}", "float16 {'torch.float16'}"]


def test_a_command_tells_the_memory_before_and_after_it(
    directml_site: Path, model_folder: Path, tmp_path: Path
) -> None:
    script = """
        from actors.context import DeviceWorker
        from actors.payloads import parse_command
        from actors.queueing.restraint import Restraint
        from actors.serving.commanded import Commanded
        commanded = Commanded(DeviceWorker("w", engine._thread.device, engine, ()), "w", Restraint(), lambda: None)
        for action in ("load", "unload"):
            command = parse_command({"worker_id": "w", "action": action, "model": writer})
            outcome = commanded.carry_out(command, 60)
            print(outcome.memory_before, outcome.memory_after, outcome.memory_source)
    """

    (empty, after_load, source), (before_unload, after_unload, _) = (
        line.split(maxsplit=2) for line in _run(directml_site, model_folder, tmp_path, 0, script).splitlines()
    )

    weights = AutoModelForCausalLM.from_pretrained(model_folder / LANGUAGE_MODEL).get_memory_footprint()
    # The load is over with its last token, when the tensors that computed it may still be there.
    assert int(after_load) == pytest.approx(weights, rel=0.05)
    assert int(before_unload) == pytest.approx(weights, rel=0.05)
    assert (empty, after_unload, source) == ("0", "0", "torch-directml (this process)")


@pytest.mark.parametrize(("held", "is_missing"), [("peak_bytes", True), ("allocated_bytes", False)])
def test_memory_that_a_driver_keeps_is_seen_although_torch_directml_says_that_nothing_is_taken(
    held: str, is_missing: bool, directml_site: Path, model_folder: Path, tmp_path: Path
) -> None:
    script = f"""
        from actors.devices.dxcore import DXCore
        from actors.devices.windows_adapter import WindowsAdapter
        from tests.devices.dxcore_library import DXCoreLibrary, FakeAdapter
        held = lambda: torch_directml.fake_adapters.{held}(0)
        dxcore = DXCore(DXCoreLibrary([FakeAdapter(luid=7, name="Fake Adapter", held=held)]))
        engine._thread.device._adapter = WindowsAdapter(dxcore.adapters()[0], dxcore)
        run("classify", model=classifier, texts=["a text"]).future.result()
        (model,) = engine.status().models
        footprint = model.footprint
        del model
        print(engine._thread.device.memory().allocated, engine.unreturned.bytes)
        engine.hold("unload", classifier).result()
        print(engine.unreturned.bytes == {"footprint" if is_missing else "0"})
    """

    printed = _run(directml_site, model_folder, tmp_path, 0, script, FAKE_GPU_MEMORY_SAYS_0="1")

    assert printed == "0 None\nTrue\n"
