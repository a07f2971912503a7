"""How long a model takes onto a device: from a cold disk, from the system's page cache, and back from host memory.

`python -m benchmarks.loading [--quick] [--json]` loads the demo's MiniLM and a BERT with random weights that it makes
in a temporary folder. The device is the first CUDA GPU, else a stand-in in the host's memory (`tests/privateuse1`),
where a copy costs what a copy of memory costs. In each attempt the ways take turns, and the fastest of each is
compared, because other processes slow some down:

- floor: safetensors' `load_file` and the bare copy of each tensor to the device; of what is in host memory, the copy.
- from_pretrained: transformers' model and tokenizer, and `.to(device)`.
- ours: what a worker does for a task, the tokenizer included.

Cold means that the system was told to drop the weights' pages; the tokenizer's files stay warm.
"""

import argparse
import gc
import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MADE_MODEL = "benchmark/random-bert"

#: Layers of 28 MB each, besides 95 MB of embeddings.
LAYERS, QUICK_LAYERS = 12, 3

ATTEMPTS, QUICK_ATTEMPTS = 15, 5

FLOOR, FROM_PRETRAINED, OURS = "floor", "from_pretrained", "ours"
COLD, WARM, HOST = "cold", "page cache", "host memory"


@dataclass(frozen=True)
class Measured:
    """One way from one place."""

    model: str
    megabytes: float
    source: str
    way: str
    milliseconds: float
    times_floor: float
    times_from_pretrained: float | None = None


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loading", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smaller model and fewer attempts, rougher numbers")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    layers, attempts = (QUICK_LAYERS, QUICK_ATTEMPTS) if arguments.quick else (LAYERS, ATTEMPTS)
    report = _measure(layers, attempts)
    print(json.dumps(report, indent=2) if arguments.json else _table(report))


def _measure(layers: int, attempts: int) -> dict[str, Any]:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    import actors.engine.loader  # noqa: F401  # which turns transformers' progress bars off
    from actors.demo.models import EMBEDDING_MODEL, build_model_folder
    from benchmarks.machine import describe_machine

    device, rows = _open_device(), []
    with tempfile.TemporaryDirectory() as name:
        folder = build_model_folder(Path(name))
        _make_model(folder, layers, tokenizer_of=folder / EMBEDDING_MODEL)
        for model in (EMBEDDING_MODEL, MADE_MODEL):
            rows += _rows(_Contest(folder, model, device), attempts)
    return {
        "machine": describe_machine(),
        "device": f"{device.name} ({device.label})",
        "attempts": attempts,
        "rows": [asdict(row) for row in rows],
    }


def _open_device() -> Any:
    import torch

    from actors.devices.backend import backend_module
    from settings.config import Settings

    if torch.cuda.is_available():
        return backend_module("cuda").open_device(0, Settings(_env_file=None))
    from tests.privateuse1.build import SITE, why_not

    if reason := why_not():
        raise SystemExit(f"There is no CUDA GPU, and no stand-in for one: {reason}")
    sys.path.insert(0, str(SITE))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return backend_module("directml").open_device(0, Settings(_env_file=None))


def _make_model(folder: Path, layers: int, tokenizer_of: Path) -> None:
    import transformers

    target = folder / MADE_MODEL
    config = transformers.BertConfig(num_hidden_layers=layers)
    transformers.BertModel(config).save_pretrained(target)
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        if (tokenizer_of / file).exists():
            shutil.copy(tokenizer_of / file, target / file)


class _Contest:
    """One model and the ways of bringing it onto the device; each returns what it made, to be given up afterwards."""

    def __init__(self, folder: Path, model: str, device: Any) -> None:
        from actors.engine.work import ModelKey
        from actors.model_store.reference import ModelReference
        from actors.model_store.shared_folder import SharedFolder
        from actors.model_store.stored_model import weight_files

        self.model, self.device = model, device
        self.stored = SharedFolder(folder).find(ModelReference.parse(model))
        self.key = ModelKey(model, self.stored.revision, "AutoModel")
        self.files = weight_files(self.stored)
        self.ways = {FLOOR: self.floor, FROM_PRETRAINED: self.from_pretrained, OURS: self.ours}

    def floor(self) -> object:
        from safetensors.torch import load_file

        return [tensor.to(self.device.torch_device) for file in self.files for tensor in load_file(file).values()]

    def from_pretrained(self) -> object:
        import torch
        import transformers

        folder = self.stored.folder
        module = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return module.eval().to(self.device.torch_device), tokenizer

    def ours(self) -> object:
        from actors.engine.loader import load_model
        from actors.model_store.progress import Progress

        progress = Progress(str(self.key), limit_for=lambda size: math.inf)
        return load_model(self.key, self.stored, self.device, "float32", progress)

    def drop_pages(self) -> None:
        for file in self.files:
            with file.open("rb") as content:
                os.fsync(content.fileno())
                os.posix_fadvise(content.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def wait_for_device(self) -> None:
        import torch

        if self.device.torch_device.type == "cuda":
            torch.cuda.synchronize()


def _rows(contest: _Contest, attempts: int) -> Iterator[Measured]:
    for way in contest.ways.values():
        way()  # imports what it needs
    if hasattr(os, "posix_fadvise"):
        yield from _compared(contest, COLD, _by_turns(contest, contest.ways, attempts, contest.drop_pages))
    yield from _compared(contest, WARM, _by_turns(contest, contest.ways, attempts))
    with _parked(contest) as ways:
        yield from _compared(contest, HOST, _by_turns(contest, ways, attempts))


@contextmanager
def _parked(contest: _Contest) -> Iterator[dict[str, Callable[[], object]]]:
    """The bare copy of what is in host memory, and ours: of a model that has left the device."""
    from safetensors.torch import load_file

    from actors.engine.parking import Parking

    tensors = [tensor.clone() for file in contest.files for tensor in load_file(file).values()]
    parking: Any = Parking(contest.device, budget_bytes=2**62, spare_bytes=lambda: 2**62)
    parking.park(contest.ours())

    class Back:
        """A model that is back; it leaves again when nobody needs it."""

        def __init__(self) -> None:
            self.model = parking.bring_back(contest.key)

        def __del__(self) -> None:
            parking.park(self.model)

    yield {FLOOR: lambda: [tensor.to(contest.device.torch_device) for tensor in tensors], OURS: Back}


def _by_turns(
    contest: _Contest, ways: dict[str, Callable[[], object]], attempts: int, prepare: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """The fewest seconds that each way took."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(attempts):
        for name, way in ways.items():
            gc.collect()
            gc.freeze()  # as a worker does; a collection within an attempt would take longer than a small model
            prepare()
            started = time.perf_counter()
            made = way()
            contest.wait_for_device()
            seconds[name].append(time.perf_counter() - started)
            del made
            gc.unfreeze()
    return {name: min(taken) for name, taken in seconds.items()}


def _compared(contest: _Contest, source: str, seconds: dict[str, float]) -> Iterator[Measured]:
    plain = seconds.get(FROM_PRETRAINED)
    for way, taken in seconds.items():
        yield Measured(
            model=contest.model,
            megabytes=round(contest.stored.weights_bytes / 1e6, 1),
            source=source,
            way=way,
            milliseconds=round(taken * 1000, 1),
            times_floor=round(taken / seconds[FLOOR], 2),
            times_from_pretrained=round(taken / plain, 2) if plain else None,
        )


def _table(report: dict[str, Any]) -> str:
    lines = [
        f"{report['machine']}",
        f"onto {report['device']}, the fastest of {report['attempts']} each",
        f"{'model':<42}{'MB':>7}{'from':>14}{'way':>18}{'ms':>9}{'x floor':>9}{'x from_pretrained':>19}",
    ]
    for row in report["rows"]:
        plain = "-" if row["times_from_pretrained"] is None else f"{row['times_from_pretrained']:.2f}"
        lines.append(
            f"{row['model']:<42}{row['megabytes']:>7}{row['source']:>14}{row['way']:>18}{row['milliseconds']:>9}"
            f"{row['times_floor']:>9.2f}{plain:>19}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
