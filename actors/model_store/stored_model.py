"""A model on disk that has been found complete and safe to load."""

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.errors import ModelBroken, ModelRefused
from actors.model_store.reference import ModelReference

#: Weights that run code when they are loaded, or formats that nothing here reads.
UNSAFE_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")

#: A header larger than this is not a header (safetensors' own limit).
MAX_HEADER_BYTES = 100_000_000

#: Bytes per number by its name in a safetensors header; what is not here takes one.
_WIDTHS = (
    dict.fromkeys(("C64", "F64", "I64", "U64"), 8)
    | dict.fromkeys(("F32", "I32", "U32"), 4)
    | dict.fromkeys(("F16", "BF16", "I16", "U16"), 2)
)


@dataclass(frozen=True)
class StoredModel:
    """A folder that transformers can load."""

    name: str
    revision: str
    folder: Path
    config: dict[str, Any]
    parameter_count: int
    weights_bytes: int

    def bytes_as(self, dtype: str) -> int:
        """What the weights take in memory in a precision."""
        return self.parameter_count * {"float32": 4, "float16": 2, "bfloat16": 2}[dtype]


def not_here_yet(reference: ModelReference) -> StoredModel:
    """Stands for a model until it has been brought here; nothing can be loaded from it."""
    return StoredModel(reference.name, reference.revision or "", Path(), {}, 0, 0)


def verify(name: str, revision: str, folder: Path, root: Path) -> StoredModel:
    """Checks that a folder is complete, inside `root`, and free of weights that run code.

    Raises:
      ModelBroken: When a file is missing, truncated or not what its name says.
      ModelRefused: When it links out of `root` or has no safetensors.
      OSError: When the file system fails.
    """
    _refuse_links_out_of(folder, root, name)
    config = _read_object(folder / "config.json", name)
    shards = _shards(folder, name)
    counts = [_numbers_in(shard, name) for shard in shards]
    return StoredModel(
        name=name,
        revision=revision,
        folder=folder,
        config=config,
        parameter_count=sum(counts),
        weights_bytes=sum(shard.stat().st_size for shard in shards),
    )


def weight_files(stored: StoredModel) -> list[Path]:
    """The files that loading a model reads its weights from."""
    return _shards(stored.folder, stored.name)


def fingerprint(folder: Path) -> str:
    """Names the state of a folder by its files' names, sizes and times; any change makes it another."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            digest.update(f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def _refuse_links_out_of(folder: Path, root: Path, name: str) -> None:
    for path in (folder, *folder.rglob("*")):
        if not _lies_in(root, path):
            raise ModelRefused(f"{name}: {path.name} leads out of the model folder; copy the file in place of the link")
        # What lies behind such a link is neither looked through here nor part of the fingerprint.
        if path != folder and path.is_symlink() and path.is_dir():
            raise ModelRefused(f"{name}: {path.name} is a link to a folder; copy the folder in place of the link")


def _lies_in(root: Path, path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of links
        return False


def _read_object(path: Path, name: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelBroken(f"{name}: {path.name} is missing") from None
    except (ValueError, RecursionError) as error:
        raise ModelBroken(f"{name}: {path.name} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise ModelBroken(f"{name}: {path.name} is not a JSON object")
    return value


def _shards(folder: Path, name: str) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.exists():
        weight_map = _read_object(index, name).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise ModelBroken(f"{name}: {index.name} has no weight_map")
        shards = [folder / shard for shard in sorted({str(shard) for shard in weight_map.values()})]
        if missing := [shard.name for shard in shards if not shard.is_file() or shard.parent != folder]:
            raise ModelBroken(f"{name}: {', '.join(missing)} is missing")
        return shards
    if (single := folder / "model.safetensors").is_file():
        return [single]
    unsafe = sorted(path.name for pattern in UNSAFE_WEIGHTS for path in folder.glob(pattern))
    if unsafe:
        raise ModelRefused(
            f"{name}: only {', '.join(unsafe)} is there, and loading it can run code; convert it to safetensors"
        )
    raise ModelBroken(f"{name}: model.safetensors is missing")


def _numbers_in(shard: Path, name: str) -> int:
    """How many numbers a safetensors file holds, once its size is what its header promises.

    The format: 8 bytes of little-endian header length, the JSON header, the data
    (https://github.com/huggingface/safetensors#format).
    """
    size = shard.stat().st_size
    try:
        with shard.open("rb") as file:
            (header_bytes,) = struct.unpack("<Q", file.read(8))
            if header_bytes > min(size, MAX_HEADER_BYTES):
                raise ValueError("the header is longer than the file")
            tensors = [entry for key, entry in json.loads(file.read(header_bytes)).items() if key != "__metadata__"]
        end = max((entry["data_offsets"][1] for entry in tensors), default=0)
        numbers: int = sum(
            (entry["data_offsets"][1] - entry["data_offsets"][0]) // _WIDTHS.get(entry["dtype"], 1) for entry in tensors
        )
    except (ValueError, struct.error, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ModelBroken(f"{name}: {shard.name} is not a readable safetensors file: {error}") from None
    if size != 8 + header_bytes + end:
        expected = 8 + header_bytes + end
        raise ModelBroken(f"{name}: {shard.name} has {size:,} bytes instead of {expected:,}; copy it again")
    return numbers
