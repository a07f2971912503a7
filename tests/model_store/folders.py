"""Small model folders in every layout that the platform's services write."""

import json
import os
from pathlib import Path

import numpy
from safetensors.numpy import save_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NUMBERS_IN_A_MODEL = 6


def write_model(folder: Path) -> Path:
    """A complete model of six float32 numbers."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    write_weights(folder / "model.safetensors")
    return folder


def write_weights(file: Path, **tensors: numpy.ndarray) -> None:
    """A real safetensors file."""
    save_file(tensors or {"weight": numpy.zeros((2, 3), numpy.float32)}, file)


def write_shards(folder: Path, weight_map: object, *shards: str) -> Path:
    """A model in several files, with the index that is given."""
    write_model(folder)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")
    for shard in shards:
        write_weights(folder / shard)
    return folder


def write_hub_model(root: Path, name: str, commit: str = COMMIT, **refs: str) -> Path:
    """A snapshot in the Hub's cache layout: links to blobs that are named by their content."""
    folder = root / ("models--" + name.replace("/", "--"))
    blobs = write_model(folder / "blobs" / f"files-of-{commit}")
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(os.path.relpath(file, snapshot))
    for ref, named in refs.items():
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / ref).write_text(named, encoding="utf-8")
    return snapshot
